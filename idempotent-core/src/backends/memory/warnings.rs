//! The warnings that this store logs.

use crate::backends::shared::retention;
use crate::model::Record;

/// Nobody resolved an indeterminate record within its retention. It is dropped, so its key is
/// vacant.
pub(super) fn retention_ended(hash: [u8; 32], record: &Record) {
    retention::retention_ended(record.operation(), hash);
}

/// The store evicts a result for the first time.
pub(super) fn capacity_reached(capacity_bytes: u64, runs_again: bool) {
    let consequence = if runs_again { "runs again" } else { "is refused" };
    tracing::warn!(
        capacity_bytes,
        "the memory store is full and evicts results before their ttl ends: a call that repeats an evicted \
         one {consequence}"
    );
}
