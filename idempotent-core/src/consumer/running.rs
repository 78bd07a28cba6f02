//! [`RunningKeys`]: the keys whose handlers run in this consumer, or whose results it has in hand.
//!
//! While the store is away their leases lapse, and when it is back, a second delivery might take the key before the result
//! of the first one is recorded.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::RecordId;

#[derive(Default)]
pub(super) struct RunningKeys(Mutex<HashSet<RecordId>>);

/// A key whose handler runs, or whose result is in hand, until this is dropped.
pub(super) struct RunningKey<'a> {
    keys: &'a RunningKeys,
    id: RecordId,
}

impl RunningKeys {
    pub(super) fn enter(&self, id: RecordId) -> RunningKey<'_> {
        self.ids().insert(id.clone());
        RunningKey { keys: self, id }
    }

    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.ids().contains(id)
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<RecordId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningKey<'_> {
    fn drop(&mut self) {
        self.keys.ids().remove(&self.id);
    }
}
