//! [`Property`]: what must hold in every state.

use std::fmt;

/// What recovery promises, named by what is so when it is broken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Property {
    /// A call was claimed while its owner ran it within its lease.
    ClaimedFromTheLiving,
    /// A call was parked while another worker ran it within its lease.
    ParkedUnderTheLiving,
    /// A body was started by a worker that has the call no more.
    NotOwner,
    /// A body was started more often than attempts are allowed, without a new step.
    TooOften,
    /// A call was parked before it had failed so often by itself, or had been claimed by workers that never learned it.
    ParkedTooSoon,
    /// A parked call was claimed, and nobody had said that it should run.
    ParkedRan,
    /// A call was claimed whose caller had been told its own error.
    BehindTheirBack,
}

impl Property {
    /// Every property, in order.
    pub const ALL: [Self; 7] = [
        Self::ClaimedFromTheLiving,
        Self::ParkedUnderTheLiving,
        Self::NotOwner,
        Self::TooOften,
        Self::ParkedTooSoon,
        Self::ParkedRan,
        Self::BehindTheirBack,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClaimedFromTheLiving => "a call was claimed from an owner that ran it",
            Self::ParkedUnderTheLiving => "a call was parked while another worker ran it",
            Self::NotOwner => "a body was started by a worker that has the call no more",
            Self::TooOften => "a call without a new step was run too often",
            Self::ParkedTooSoon => "a call was parked that had not failed so often by itself",
            Self::ParkedRan => "a parked call was claimed before an operator said so",
            Self::BehindTheirBack => "recovery took a call whose caller had been told no",
        })
    }
}
