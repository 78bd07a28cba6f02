//! [`StoredResult`]: a completed record in the store.

use super::crate_items::{Entry, Hash, Record, State};
use super::moment::Moment;
use super::sync::{AtomicBool, Ordering};

/// The number by which the ledger knows a scope, as long as it has results of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ScopeNumber(pub(super) u32);

/// A completed record, and what its eviction depends on.
#[derive(Debug)]
pub(super) struct StoredResult {
    pub(super) id: Hash,
    pub(super) record: Record,
    pub(super) until: Moment,
    pub(super) scope: ScopeNumber,
    /// Whether it was read since an eviction last passed over it.
    was_read: AtomicBool,
    /// Whether it was taken out of the store. Changes only while its id is locked.
    is_removed: AtomicBool,
}

impl StoredResult {
    pub(super) fn new(id: Hash, record: Record, until: Moment, scope: ScopeNumber) -> Self {
        let (was_read, is_removed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { id, record, until, scope, was_read, is_removed }
    }

    pub(super) fn is_expired(&self, now: Moment) -> bool {
        self.until <= now
    }

    /// The entry, unless it has expired.
    pub(super) fn entry(&self, now: Moment) -> Option<Entry> {
        let remaining = now.until(self.until);
        (!self.is_expired(now))
            .then(|| Entry::new(self.record.clone(), State::Completed, Some(remaining)))
    }

    pub(super) fn set_removed(&self) {
        self.is_removed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed)
    }

    pub(super) fn set_read(&self) {
        // Most were read before, and writing takes the cache line away from other readers.
        if !self.was_read.load(Ordering::Relaxed) {
            self.was_read.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was read since the last time that this was asked.
    pub(super) fn take_read(&self) -> bool {
        self.was_read.swap(false, Ordering::Relaxed)
    }
}
