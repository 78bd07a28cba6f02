//! [`Property`]: what must hold in every state.

use std::fmt;

/// What the design promises, named by what is so when it is broken.
///
/// Two more are not seen in one state, and so are none of these: a call that can never end, which
/// [`Graph::cut_off`](crate::search::Graph::cut_off) finds, and a renamed step whose effect happens a
/// second time, which is in [`gate`](crate::gate).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Property {
    /// The at-most-once step took effect twice for one call.
    SecondEffect,
    /// A call answered `Ok`, and one of its steps took effect and is not recorded.
    Unrecorded,
    /// A step's body started although the step was recorded.
    Repeated,
    /// A run loaded a step that had no effect for its call: a step of an old one.
    OldLoaded,
    /// A call answered `Ok` with a step that had no effect for it: each at-least-once step's
    /// effects are one after deduplication by its derived key, and here they are none.
    NoEffect,
    /// A run that is not the owner wrote over a recorded step.
    Overwritten,
    /// A late owner began a step: it will never start it, and leaves it in doubt.
    BegunLate,
    /// A step's body was started by a run after another one had taken the call.
    NotOwner,
    /// A call answered `Ok` over steps of two payloads.
    TwoPayloads,
    /// Recovery went on with a call whose caller had been told its own error.
    BehindTheirBack,
    /// A call waits for its step in doubt, and the step is settled: only an operator would find it.
    WaitsInVain,
    /// A call that was parked went on without an operator.
    WentOnUntold,
}

impl Property {
    /// Every property, in order.
    pub const ALL: [Self; 12] = [
        Self::SecondEffect,
        Self::Unrecorded,
        Self::Repeated,
        Self::OldLoaded,
        Self::NoEffect,
        Self::Overwritten,
        Self::BegunLate,
        Self::NotOwner,
        Self::TwoPayloads,
        Self::BehindTheirBack,
        Self::WaitsInVain,
        Self::WentOnUntold,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SecondEffect => "an at-most-once step took effect twice",
            Self::Unrecorded => "a call answered Ok with a step that is not recorded",
            Self::Repeated => "a recorded step ran again",
            Self::OldLoaded => "a step of an old call was loaded",
            Self::NoEffect => "a call answered Ok with a step that had no effect for it",
            Self::Overwritten => "a late owner wrote over a recorded step",
            Self::BegunLate => "a late owner began a step",
            Self::NotOwner => "a body was started after another run had taken the call",
            Self::TwoPayloads => "a result was made of the steps of two payloads",
            Self::BehindTheirBack => "recovery resumed a call whose caller had been told no",
            Self::WaitsInVain => "a call waits for a step that is settled",
            Self::WentOnUntold => "a parked call went on without an operator",
        })
    }
}
