//! The answers of a store.

use std::time::Duration;

use super::request::Cursor;
use super::state::State;
use crate::model::{Record, RecordId};

/// A record in a store, and its state.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// The record's state, by the store's clock.
    pub state: State,
    /// The time until the lease lapses (reserved) or the id becomes vacant (completed,
    /// indeterminate): exact, or `None`.
    pub remaining: Option<Duration>,
}

impl Entry {
    /// Creates an entry.
    #[must_use]
    pub const fn new(record: Record, state: State, remaining: Option<Duration>) -> Self {
        Self { record, state, remaining }
    }
}

/// The answer to [`Store::reserve`](super::Store::reserve).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ReserveOutcome {
    /// The id is reserved with the request's token.
    Won,
    /// The id is taken: reserved with another token, completed, or indeterminate.
    Taken(Entry),
}

/// The answer to [`Store::renew`](super::Store::renew).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewOutcome {
    /// The lease has started again.
    Renewed,
    /// The store has no reservation with this token that could be renewed.
    Lost,
}

/// The answer to [`Store::complete`](super::Store::complete).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CompleteOutcome {
    /// The record with the request's token is completed.
    Recorded,
    /// Another attempt's record has the id. It was not changed.
    Superseded(Entry),
    /// The id is vacant, and the request said [`IfVacant::Refuse`](super::IfVacant::Refuse).
    Gone,
}

/// One page of a store's records.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The records.
    pub entries: Vec<(RecordId, Entry)>,
    /// Where the next page starts; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Page {
    /// Creates a page.
    #[must_use]
    pub const fn new(entries: Vec<(RecordId, Entry)>, next: Option<Cursor>) -> Self {
        Self { entries, next }
    }
}
