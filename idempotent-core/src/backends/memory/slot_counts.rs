//! [`SlotCounts`]: how many slots each scope has.

use std::collections::HashMap;
use std::sync::PoisonError;

use super::crate_items::{IdHasher, ScopeId};
use super::slot::Slot;
use super::sync::{Mutex, MutexGuard};

/// More than the threads that are likely to count at the same time.
const SHARDS: usize = 16;

/// The slots of each scope. Slots without a scope are not counted.
#[derive(Debug)]
pub(super) struct SlotCounts {
    shards: Box<[Mutex<Shard>]>,
}

type Shard = HashMap<ScopeId, SlotCount, IdHasher>;

/// The slots of one scope, including vacant ones that are not swept yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SlotCount {
    pub(super) slots: u64,
    pub(super) bytes: u64,
    /// Those whose owner went away, or ended without a known outcome.
    pub(super) unresolved: u64,
}

impl SlotCounts {
    pub(super) fn new(hasher: &IdHasher) -> Self {
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self { shards: (0..SHARDS).map(shard).collect() }
    }

    pub(super) fn add(&self, slot: &Slot) {
        let Some(scope) = &slot.scope else { return };
        let mut shard = self.shard(scope);
        let count = shard.entry(*scope).or_default();
        count.slots += 1;
        count.bytes += slot.record.as_bytes().len() as u64;
        count.unresolved += u64::from(slot.is_unresolved());
    }

    pub(super) fn remove(&self, slot: &Slot) {
        let Some(scope) = &slot.scope else { return };
        let mut shard = self.shard(scope);
        if let Some(count) = shard.get_mut(scope) {
            count.slots -= 1;
            count.bytes -= slot.record.as_bytes().len() as u64;
            count.unresolved -= u64::from(slot.is_unresolved());
            if count.slots == 0 {
                shard.remove(scope);
            }
        }
    }

    pub(super) fn of(&self, scope: &ScopeId) -> SlotCount {
        self.shard(scope).get(scope).copied().unwrap_or_default()
    }

    fn shard(&self, scope: &ScopeId) -> MutexGuard<'_, Shard> {
        let shard = usize::from(scope.as_bytes()[0]) % SHARDS;
        // Nothing panics while it holds the lock.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
