//! The log line for a record that nobody resolved in time.

use crate::model::RecordId;

/// Logs that an indeterminate record was removed because its retention has ended. Its key can run again.
pub(in crate::backends) fn retention_ended(operation: &str, hash: [u8; 32]) {
    match RecordId::from_hash(operation.to_owned(), hash) {
        Ok(id) => tracing::warn!(
            record = %id,
            "an indeterminate record was not resolved within its retention: its key is vacant"
        ),
        Err(_) => tracing::warn!(
            operation,
            "an indeterminate record was not resolved within its retention: its key is vacant"
        ),
    }
}
