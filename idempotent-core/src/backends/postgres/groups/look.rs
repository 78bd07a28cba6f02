//! [`Look`]: an id that somebody wants to reserve, and wants to know of first.

use super::member::Member;
use crate::backends::shared::notify::Hash;
use crate::store::Entry;

/// Longer records are for their callers alone, so that others do not wait for them.
pub(super) const LONGEST_RECORD: i32 = 128 << 10;

/// An id that somebody wants to reserve.
pub(super) struct Look(pub(super) Hash);

impl Member for Look {
    /// What is in the way for certain; `None` if only a statement that writes can tell.
    type Answer = Option<Entry>;

    fn unique_hash(&self) -> Option<&Hash> {
        None
    }

    fn exclusive_call(&self) -> Option<&Hash> {
        None
    }

    fn bytes(&self) -> usize {
        self.0.len()
    }

    fn is_urgent(&self) -> bool {
        false
    }
}
