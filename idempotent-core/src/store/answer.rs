//! What a store answers.

use std::time::Duration;

use super::Cursor;
use crate::record::{Record, RecordId};

/// What stands under an id.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// The record's state, by the store's clock.
    pub state: State,
    /// How long until the lease lapses (reserved) or the id is vacant (completed, indeterminate):
    /// exact, or `None`.
    pub remaining: Option<Duration>,
}

impl Entry {
    /// An entry.
    #[must_use]
    pub const fn new(record: Record, state: State, remaining: Option<Duration>) -> Self {
        Self { record, state, remaining }
    }
}

/// The state of what stands under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// A call runs, as far as the store can tell.
    Reserved,
    /// A reservation under *at least once* lapsed, and nobody has taken its id. The id counts as
    /// vacant; a store that forgets such reservations never reports one.
    Lapsed,
    /// A reservation under *at most once* lapsed: nobody knows whether its effect happened.
    Indeterminate,
    /// The call ended, with or without its result.
    Completed,
}

/// The answer to [`Store::reserve`](super::Store::reserve).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReserveOutcome {
    /// The id is reserved with the caller's token.
    Won,
    /// Something stands there: reserved by another token, completed, or indeterminate.
    Taken(Entry),
}

/// The answer to [`Store::renew`](super::Store::renew).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewOutcome {
    /// The lease starts anew.
    Renewed,
    /// No reservation of that token is left to renew.
    Lost,
}

/// The answer to [`Store::complete`](super::Store::complete).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CompleteOutcome {
    /// The id is completed with the caller's token.
    Recorded,
    /// Another attempt's record stands there and was not touched.
    Superseded(Entry),
    /// Nothing stands there, and [`Vacant::Refuse`](super::Vacant::Refuse) was asked.
    Gone,
}

/// Some of a store's records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub entries: Vec<(RecordId, Entry)>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page.
    #[must_use]
    pub const fn new(entries: Vec<(RecordId, Entry)>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }
}
