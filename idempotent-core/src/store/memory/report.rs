//! What this store tells the log.

use super::{Record, RecordId};

/// A record that nobody resolved is forgotten, and its key runs again.
pub(super) fn retention_ended(hash: [u8; 32], record: &Record) {
    match RecordId::from_hash(record.operation().to_owned(), hash) {
        Ok(id) => tracing::warn!(
            record = %id,
            "an indeterminate record was not resolved within its retention: its key is vacant"
        ),
        Err(_) => tracing::warn!(
            operation = record.operation(),
            "an indeterminate record was not resolved within its retention: its key is vacant"
        ),
    }
}

/// The store reached its capacity for the first time.
pub(super) fn capacity_reached(capacity_bytes: u64) {
    tracing::warn!(
        capacity_bytes,
        "the memory store is full: it drops the records used least recently, and calls under \
         at_least_once whose records are dropped before their time run again when repeated"
    );
}
