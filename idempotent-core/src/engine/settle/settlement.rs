//! [`Settlement`]: what happens to a key when its call ends.

use std::time::Duration;

use crate::model::{Record, RecordId};

/// How a call ends.
pub(crate) enum Settlement {
    /// The record is completed, and kept for `ttl` or else for the operation's own.
    Complete { record: Record, ttl: Option<Duration> },
    /// The key becomes vacant at once.
    Release,
    /// The key stays reserved until its lease lapses.
    Hold,
}

/// What the codec needs of a reservation to write the completed record.
#[derive(Clone, Copy)]
pub(crate) struct ReservationRef<'a> {
    pub(crate) id: &'a RecordId,
    pub(crate) record: &'a Record,
    pub(crate) max_result_bytes: usize,
    pub(crate) verify_results: bool,
}
