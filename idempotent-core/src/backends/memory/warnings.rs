//! The warnings that this store logs.

use crate::model::{Record, RecordId};

/// Nobody resolved an indeterminate record within its retention. It is dropped, so its key is
/// vacant.
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
        "the memory store is full and evicts the least recently used results: a repeated call \
         under at_least_once runs again if its result was evicted"
    );
}
