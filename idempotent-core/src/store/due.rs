//! The [`DueCalls`] trait: what a store may offer in addition, so that calls are resumed without their callers.

use std::time::Duration;

use async_trait::async_trait;

use super::answer::Entry;
use super::error::StoreError;
use crate::model::RecordId;

/// An index of the calls that nobody runs and that a [`Recovery`](crate::engine::Recovery) is to resume. A
/// [`Store`](super::Store) that keeps it returns itself from [`due_calls`](super::Store::due_calls), and is a
/// [`Journal`](super::Journal) as well.
///
/// Each reservation with an [input](crate::model::Record::has_input) has a *due time* by the store's clock:
///
/// * a [`reserve`](super::Store::reserve) that wins sets it to the end of the lease;
/// * [`Journal::resume`](super::Journal::resume) and [`Journal::suspend`](super::Journal::suspend) set it as the request
///   says, in the same atomic step;
/// * a renewal does not change it, so a call that runs longer than its lease is in the index and not due;
/// * it ends with the reservation, when that is completed, released, purged or taken.
#[async_trait]
pub trait DueCalls: Send + Sync {
    /// Returns calls that are [suspended](super::State::Suspended) and whose due time has come, those that came first
    /// first. Records that it cannot read hide no others.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError>;

    /// In how many parts the index can be asked, each for itself: see [`Due::part`]. A recovery asks one after the other,
    /// so that a question to a store whose index is scattered stays cheap. Default: 1.
    fn parts(&self) -> u32 {
        1
    }

    /// The due time of a record, as the time from now; zero if it is over. `None` if it has none.
    ///
    /// # Errors
    ///
    /// If the store fails.
    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError>;
}

/// A request for calls that are due.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Due<'a> {
    /// Only calls of these operations.
    pub operations: &'a [&'a str],
    /// How many at most.
    pub limit: usize,
    /// None of these, by the [hashes](RecordId::hash) of their ids: who asks cannot go on with them. They do not count
    /// towards the limit.
    pub without: &'a [[u8; 32]],
    /// Only those of one [part](DueCalls::parts) of the index, counted from 0. `None`: of all. A store with one part
    /// ignores it.
    pub part: Option<u32>,
}

impl<'a> Due<'a> {
    /// Creates a request.
    #[must_use]
    pub const fn new(operations: &'a [&'a str], limit: usize) -> Self {
        Self { operations, limit, without: &[], part: None }
    }

    /// Leaves calls out, by the [hashes](RecordId::hash) of their ids.
    #[must_use]
    pub const fn without(mut self, without: &'a [[u8; 32]]) -> Self {
        self.without = without;
        self
    }

    /// Asks one part of the index.
    #[must_use]
    pub const fn part(mut self, part: u32) -> Self {
        self.part = Some(part);
        self
    }
}

/// A call that is due.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DueCall {
    /// The record's id.
    pub id: RecordId,
    /// The record, which is [suspended](super::State::Suspended).
    pub entry: Entry,
    /// For how long it has been due.
    pub overdue: Duration,
}

impl DueCall {
    /// Creates an answer.
    #[must_use]
    pub const fn new(id: RecordId, entry: Entry, overdue: Duration) -> Self {
        Self { id, entry, overdue }
    }
}
