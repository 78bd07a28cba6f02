//! The records that are kept, and which of them may be shown.
//!
//! A record is read from the store first and kept afterwards, and a purge may come between. So
//! whoever reads takes a [`Seen`] before, and what was purged or flushed since then is not kept:
//! generations count the purges, a few ids sharing one, and the epoch counts the flushes.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::{Cache, SegmentedCache};

use super::{Clock, Entry, Observer, Record, State};
use crate::store::hasher::KeyHasher;

/// A record's identity within a store.
pub(super) type Hash = [u8; 32];

/// What an entry costs besides its record's bytes: moka's nodes, key and table, and the record's
/// reference counts.
const OVERHEAD: usize = 300;

/// How many parts the records are kept in at most. moka notes each reading in a queue, at which the
/// threads of a process would all meet.
const PARTS: u64 = 16;

/// The least that a part has room for: a record has to fit into one.
const PART_BYTES: u64 = 4 * 1024 * 1024;

/// How many generations there are: a purge keeps few records but its own from being kept.
const GENERATIONS: usize = 256;

/// How long a store that could not tell when a record ends is not asked for it again.
const UNTOLD_FOR: Duration = Duration::from_secs(60);

pub(super) struct Shelf {
    records: SegmentedCache<Hash, Kept, KeyHasher>,
    capacity_bytes: u64,
    /// The most that one record may weigh: the room of a part.
    largest: u64,
    clock: Arc<dyn Clock>,
    epoch: AtomicU64,
    generations: Box<[Mutex<u64>]>,
    hasher: KeyHasher,
}

#[derive(Clone)]
struct Kept {
    /// `None`: the store was asked, and does not say when it ends.
    record: Option<Record>,
    until: Duration,
    epoch: u64,
}

/// How things stood before the store was asked.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    at: Duration,
    epoch: u64,
    generation: u64,
}

/// A purge on its way, until it is dropped.
#[must_use]
pub(super) struct Purging<'a> {
    shelf: &'a Shelf,
    hash: &'a Hash,
}

impl Shelf {
    pub(super) fn new(capacity_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let hasher = KeyHasher::random();
        let parts = parts(capacity_bytes);
        let records = Cache::builder()
            .segments(parts)
            .max_capacity(capacity_bytes)
            .weigher(|_, kept: &Kept| weight(kept.record.as_ref()))
            // TinyLFU would reject fresh records when full of popular ones.
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(hasher.clone());
        let generations = (0..GENERATIONS).map(|_| Mutex::default()).collect();
        Self {
            records,
            capacity_bytes,
            largest: capacity_bytes / parts as u64,
            clock,
            epoch: AtomicU64::new(0),
            generations,
            hasher,
        }
    }

    /// The record that is kept, if its time is not over.
    pub(super) fn get(&self, hash: &Hash) -> Option<Entry> {
        let Kept { record, until, epoch } = self.records.get(hash)?;
        let remaining = until.checked_sub(self.clock.now())?;
        let stands = !remaining.is_zero() && epoch == self.epoch();
        let record = record.filter(|_| stands)?;
        Some(Entry::new(record, State::Completed, Some(remaining)))
    }

    /// How things stand now, before the store is asked.
    pub(super) fn look(&self, hash: &Hash) -> Seen {
        let (epoch, generation) = (self.epoch(), *self.generation(hash));
        Seen { at: self.clock.now(), epoch, generation }
    }

    /// Keeps a completed record that the store gave, unless it was purged since `seen`.
    pub(super) fn put(&self, hash: &Hash, record: &Record, remaining: Duration, seen: Seen) {
        if self.fits(record) {
            self.keep(hash, Some(record.clone()), remaining, seen);
        }
    }

    /// Notes that the store does not say when this record ends.
    pub(super) fn put_untold(&self, hash: &Hash, seen: Seen) {
        self.keep(hash, None, UNTOLD_FOR, seen);
    }

    /// Whether it is worth asking the store when this record ends.
    pub(super) fn has_use_for(&self, hash: &Hash, record: &Record) -> bool {
        let now = self.clock.now();
        let known = || self.records.get(hash).filter(|kept| now < kept.until);
        self.fits(record) && known().is_none_or(|kept| kept.epoch != self.epoch())
    }

    /// Drops the record now and again when the purge ends, however it ends.
    pub(super) fn purging<'a>(&'a self, hash: &'a Hash) -> Purging<'a> {
        self.purged(hash);
        Purging { shelf: self, hash }
    }

    pub(super) fn count(&self) -> u64 {
        self.records.entry_count()
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    fn keep(&self, hash: &Hash, record: Option<Record>, remaining: Duration, seen: Seen) {
        let until = seen.at.saturating_add(remaining);
        let kept = Kept { record, until, epoch: seen.epoch };
        // Locked, so that a purge comes either before the check or after the insert.
        let generation = self.generation(hash);
        if *generation == seen.generation {
            self.records.insert(*hash, kept);
        }
    }

    fn fits(&self, record: &Record) -> bool {
        u64::from(weight(Some(record))) <= self.largest
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// A poisoned lock guards a sound number.
    fn generation(&self, hash: &Hash) -> MutexGuard<'_, u64> {
        let at = (self.hasher.hash_one(hash) >> 40) as usize % self.generations.len();
        self.generations[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Shelf {
    fn purged(&self, hash: &Hash) {
        let mut generation = self.generation(hash);
        *generation += 1;
        self.records.invalidate(hash);
    }

    fn missed(&self) {
        // moka drops what was inserted before this moment, and the epoch also hides what is being
        // read from the store at this moment.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.records.invalidate_all();
    }
}

impl Drop for Purging<'_> {
    fn drop(&mut self) {
        self.shelf.purged(self.hash);
    }
}

/// A power of two, as moka has them.
const fn parts(capacity_bytes: u64) -> usize {
    let parts = capacity_bytes / PART_BYTES;
    match parts {
        0 => 1,
        PARTS.. => PARTS as usize,
        _ => 1 << parts.ilog2(),
    }
}

fn weight(record: Option<&Record>) -> u32 {
    let bytes = record.map_or(0, |record| record.as_bytes().len());
    u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_many_as_have_room_for_large_records() {
        const MIB: u64 = 1024 * 1024;
        let of = |mib| parts(mib * MIB);
        assert_eq!((of(0), of(7), of(8), of(15), of(16)), (1, 1, 2, 2, 4));
        assert_eq!((of(63), of(64), of(1024 * MIB)), (8, 16, 16));
    }
}
