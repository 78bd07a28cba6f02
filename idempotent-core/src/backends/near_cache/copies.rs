//! The copies of completed records, and which of them may be replayed.
//!
//! A record is read from the store first and copied afterwards, and a purge may come in between. So
//! whoever reads takes a [`Snapshot`] first, and a record that was purged or flushed since then is not
//! copied. Generations count the purges, with several ids sharing one; the epoch counts the flushes.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::SegmentedCache;

use crate::backends::shared::cache::{self, Hash};
use crate::model::IdHasher;
use crate::model::Record;
use crate::store::{Clock, Entry, PurgeObserver, State};

/// The maximum number of segments. moka notes each read in a queue of the segment, on which all
/// threads of a process would contend.
const MAX_SEGMENTS: u64 = 16;

/// The minimum size of a segment, since a record has to fit into one.
const MIN_SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// The number of generations. Few ids share one, so a purge rarely prevents copies of other records.
const GENERATIONS: usize = 256;

/// How long a store that does not know a record's expiry is not asked for it again.
const UNKNOWN_EXPIRY_FOR: Duration = Duration::from_secs(60);

pub(super) struct Copies {
    records: SegmentedCache<Hash, Copied, IdHasher>,
    capacity_bytes: u64,
    /// The most that one record may weigh: the capacity of a segment.
    max_weight: u64,
    clock: Arc<dyn Clock>,
    epoch: AtomicU64,
    generations: Box<[Mutex<u64>]>,
    hasher: IdHasher,
}

#[derive(Clone)]
struct Copied {
    /// `None` if the store was asked when the record expires and does not know.
    record: Option<Record>,
    until: Duration,
    epoch: u64,
}

/// The state before the store was asked.
#[derive(Clone, Copy)]
pub(super) struct Snapshot {
    at: Duration,
    epoch: u64,
    generation: u64,
}

/// Keeps a record from being copied while it is purged. Dropping it ends the purge.
#[must_use]
pub(super) struct PurgeGuard<'a> {
    copies: &'a Copies,
    hash: &'a Hash,
}

impl Copies {
    pub(super) fn new(capacity_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let hasher = IdHasher::random();
        let segments = segments(capacity_bytes);
        let weigh = |copied: &Copied| cache::weight(copied.record.as_ref());
        let records = cache::builder(capacity_bytes, weigh)
            .segments(segments)
            .build_with_hasher(hasher.clone());
        let generations = (0..GENERATIONS).map(|_| Mutex::default()).collect();
        Self {
            records,
            capacity_bytes,
            max_weight: capacity_bytes / segments as u64,
            clock,
            epoch: AtomicU64::new(0),
            generations,
            hasher,
        }
    }

    /// The copy of a record, unless it has expired.
    pub(super) fn get(&self, hash: &Hash) -> Option<Entry> {
        let Copied { record, until, epoch } = self.records.get(hash)?;
        let remaining = until.checked_sub(self.clock.now())?;
        let valid = !remaining.is_zero() && epoch == self.epoch();
        let record = record.filter(|_| valid)?;
        Some(Entry::new(record, State::Completed, Some(remaining)))
    }

    /// The current state, taken before the store is asked.
    pub(super) fn snapshot(&self, hash: &Hash) -> Snapshot {
        let (epoch, generation) = (self.epoch(), *self.generation(hash));
        Snapshot { at: self.clock.now(), epoch, generation }
    }

    /// Copies a completed record that the store returned, unless it was purged since `snapshot`.
    pub(super) fn insert(
        &self,
        hash: &Hash,
        record: &Record,
        remaining: Duration,
        snapshot: Snapshot,
    ) {
        if self.fits(record) {
            self.insert_unless_purged(hash, Some(record.clone()), remaining, snapshot);
        }
    }

    /// Notes that the store does not know when this record expires.
    pub(super) fn insert_unknown_expiry(&self, hash: &Hash, snapshot: Snapshot) {
        self.insert_unless_purged(hash, None, UNKNOWN_EXPIRY_FOR, snapshot);
    }

    /// Whether it is worth asking the store when this record expires.
    pub(super) fn wants_expiry(&self, hash: &Hash, record: &Record) -> bool {
        let now = self.clock.now();
        let known = || self.records.get(hash).filter(|copied| now < copied.until);
        self.fits(record) && known().is_none_or(|copied| copied.epoch != self.epoch())
    }

    /// Drops the copy now, and again when the purge ends, whether it succeeds, fails or is cancelled.
    pub(super) fn purge_guard<'a>(&'a self, hash: &'a Hash) -> PurgeGuard<'a> {
        self.purged(hash);
        PurgeGuard { copies: self, hash }
    }

    pub(super) fn count(&self) -> u64 {
        self.records.entry_count()
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    fn insert_unless_purged(
        &self,
        hash: &Hash,
        record: Option<Record>,
        remaining: Duration,
        snapshot: Snapshot,
    ) {
        let until = snapshot.at.saturating_add(remaining);
        let copied = Copied { record, until, epoch: snapshot.epoch };
        // The lock orders any purge either before the check or after the insert.
        let generation = self.generation(hash);
        if *generation == snapshot.generation {
            self.records.insert(*hash, copied);
        }
    }

    fn fits(&self, record: &Record) -> bool {
        u64::from(cache::weight(Some(record))) <= self.max_weight
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// A poisoned lock is safe to use: it guards a plain number.
    fn generation(&self, hash: &Hash) -> MutexGuard<'_, u64> {
        let at = (self.hasher.hash_one(hash) >> 40) as usize % self.generations.len();
        self.generations[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PurgeObserver for Copies {
    fn purged(&self, hash: &Hash) {
        let mut generation = self.generation(hash);
        *generation += 1;
        self.records.invalidate(hash);
    }

    fn purges_missed(&self) {
        // moka drops what was inserted before now. The epoch also hides records that are being read
        // from the store now and inserted later.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.records.invalidate_all();
    }
}

impl Drop for PurgeGuard<'_> {
    fn drop(&mut self) {
        self.copies.purged(self.hash);
    }
}

/// How many segments a cache of this capacity has: a power of two, as moka requires.
const fn segments(capacity_bytes: u64) -> usize {
    let segments = capacity_bytes / MIN_SEGMENT_BYTES;
    match segments {
        0 => 1,
        MAX_SEGMENTS.. => MAX_SEGMENTS as usize,
        _ => 1 << segments.ilog2(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_segments_as_have_room_for_large_records() {
        const MIB: u64 = 1024 * 1024;
        let of = |mib| segments(mib * MIB);
        assert_eq!((of(0), of(7), of(8), of(15), of(16)), (1, 1, 2, 2, 4));
        assert_eq!((of(63), of(64), of(1024 * MIB)), (8, 16, 16));
    }
}
