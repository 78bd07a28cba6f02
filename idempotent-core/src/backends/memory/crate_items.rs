//! What the transitions use from the rest of the crate.
//!
//! `tests/tests/loom_memory` compiles the transitions a second time, outside this crate, and
//! supplies these names itself. That is why they import everything from here or from a sibling.

pub(super) use crate::backends::shared::cache::Hash;
pub(super) use crate::model::IdHasher;
pub(super) use crate::model::{
    NotKept, Outcome, OwnerState, Record, RecordId, ScopeId, StepEntry, StepId, Token,
};
pub(super) use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, IfVacant, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, State,
};
