//! The answers of a store about journals.

use super::answer::Entry;

/// The answer to [`Journal::write_step`](super::Journal::write_step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteStepOutcome {
    /// The journal has the entry.
    Written,
    /// The record is no longer a reservation with the request's token, or its lease has lapsed before a step that
    /// [begins](super::WriteStep::begins).
    Fenced,
    /// The journal has another entry of this step than the one to replace.
    Conflict,
}

/// The answer to [`Journal::resume`](super::Journal::resume).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ResumeOutcome {
    /// The id is reserved with the request's token.
    Won,
    /// The record is not the one that was seen, or it is not suspended.
    Taken(Entry),
    /// There is no record any more.
    Gone,
}
