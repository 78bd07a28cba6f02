//! What this store tells the log.

use crate::record::RecordId;
use crate::store::wake::Hash;

/// A record that nobody resolved is forgotten, and its key runs again.
pub(super) fn retention_ended(operation: &str, hash: Hash) {
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
