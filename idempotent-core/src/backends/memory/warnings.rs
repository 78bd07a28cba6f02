//! The warnings that this store logs.

use crate::backends::shared::retention;
use crate::model::Record;

/// Nobody resolved an indeterminate record within its retention. It is dropped, so its key is
/// vacant.
pub(super) fn retention_ended(hash: [u8; 32], record: &Record) {
    retention::retention_ended(record.operation(), hash);
}

/// The store reached its capacity for the first time.
pub(super) fn capacity_reached(capacity_bytes: u64) {
    tracing::warn!(
        capacity_bytes,
        "the memory store is full and evicts the least recently used results: a repeated call \
         under at_least_once runs again if its result was evicted"
    );
}
