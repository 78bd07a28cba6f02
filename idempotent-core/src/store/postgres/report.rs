//! What this store tells the log.

use crate::record::RecordId;

/// A record that nobody resolved is forgotten, and its key runs again.
pub(super) fn retention_ended(id: &RecordId) {
    tracing::warn!(
        record = %id,
        "an indeterminate record was not resolved within its retention: its key is vacant"
    );
}
