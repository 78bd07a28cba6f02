//! [`Model`]: states, and what leads from one to the next.

use std::fmt;

/// Something that has states, and actions that lead from one to another.
///
/// What happens must depend on the state alone. The search keeps every state, packed.
pub trait Model {
    /// All that the future depends on. Its text is one line.
    type State: Copy + Eq + fmt::Display;
    /// A state in as few words as it takes.
    type Packed: Copy + Eq + AsRef<[u64]>;
    /// What happened between two states. Its text is one line too.
    type Action: Copy + fmt::Display;
    /// What must never happen.
    type Violation: Copy + fmt::Debug + fmt::Display;

    /// Where everything begins.
    fn initial(&self) -> Self::State;

    /// Packs a state.
    fn pack(&self, state: &Self::State) -> Self::Packed;

    /// The state that was packed.
    fn unpack(&self, packed: &Self::Packed) -> Self::State;

    /// Appends everything that can happen next.
    fn next(&self, state: &Self::State, into: &mut Vec<(Self::Action, Self::State)>);

    /// What the action that led here did, if it must never happen.
    fn violation(&self, state: &Self::State) -> Option<Self::Violation>;
}
