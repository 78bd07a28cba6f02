//! The records whose expiry is being loaded.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::backends::shared::cache::Hash;

/// The most records that are loaded at once: more would not help a store that is slow.
const MAX_LOADING: usize = 64;

#[derive(Default)]
pub(super) struct Loading(Mutex<HashSet<Hash>>);

impl Loading {
    /// Adds a record, unless it is being loaded already or too many others are.
    pub(super) fn begin(&self, hash: &Hash) -> bool {
        let mut loading = self.lock();
        loading.len() < MAX_LOADING && loading.insert(*hash)
    }

    pub(super) fn end(&self, hash: &Hash) {
        self.lock().remove(hash);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
