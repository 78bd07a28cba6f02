//! [`Counts`]: how many there are of each key, for keys that come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::IdHasher;

/// A power of two, and more than the threads that are likely to count at the same time.
const SHARDS: usize = 16;

/// Counters by key, which is the hash of something. A key without a count takes no memory.
pub(super) struct Counts<K> {
    shards: [Shard<K>; SHARDS],
    hasher: IdHasher,
}

type Shard<K> = Mutex<HashMap<K, usize, IdHasher>>;

impl<K> Default for Counts<K> {
    fn default() -> Self {
        let hasher = IdHasher::random();
        let shard = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        Self { shards: std::array::from_fn(shard), hasher }
    }
}

impl<K: Hash + Eq + Copy> Counts<K> {
    /// Counts one more, unless there are `max` already. Returns whether it did.
    pub(super) fn enter(&self, key: K, max: usize) -> bool {
        match self.shard(&key).entry(key) {
            Entry::Occupied(mut count) if *count.get() < max => *count.get_mut() += 1,
            Entry::Vacant(count) if max > 0 => drop(count.insert(1)),
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        true
    }

    /// Counts one less.
    pub(super) fn leave(&self, key: K) {
        if let Entry::Occupied(mut count) = self.shard(&key).entry(key) {
            match *count.get() {
                0 | 1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, usize, IdHasher>> {
        // Bits by which the maps do not choose a bucket.
        let shard = (self.hasher.hash_one(key) >> 48) as usize % SHARDS;
        // Nothing panics while it holds the lock.
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_enter_than_may_and_those_that_leave_make_room() {
        let counts = Counts::default();
        assert!(counts.enter(7, 2) && counts.enter(7, 2) && counts.enter(8, 1));
        assert!(!counts.enter(7, 2) && !counts.enter(8, 1) && !counts.enter(9, 0));
        counts.leave(7);
        assert!(counts.enter(7, 2));
    }

    #[test]
    fn what_is_not_counted_takes_no_memory() {
        let counts = Counts::default();
        for key in 0..1000 {
            assert!(counts.enter(key, 1));
        }
        (0..1000).for_each(|key| counts.leave(key));
        assert_eq!(counts.shards.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>(), 0);
    }
}
