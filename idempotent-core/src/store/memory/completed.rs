//! The completed records: a moka cache bounded by bytes, with deadlines of our own.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::claims::Hash;
use super::hasher::KeyHasher;
use super::ledger::Completed;
use super::moment::Moment;
use super::report;
use super::{Entry, Record, State};

/// What an entry costs besides its record's bytes, as measured by the bench `footprint`:
/// moka's nodes, key and table, and the record's reference counts.
const OVERHEAD: usize = 300;

/// Completed records, with the least recently used going first when there are too many bytes.
pub(super) struct Evicting {
    records: Cache<Hash, Kept, KeyHasher>,
    capacity_bytes: u64,
    reported: AtomicBool,
}

#[derive(Clone)]
pub(super) struct Kept {
    record: Record,
    until: Moment,
}

impl Evicting {
    pub(super) fn new(capacity_bytes: u64, hasher: KeyHasher) -> Self {
        let records = Cache::builder()
            .max_capacity(capacity_bytes)
            .weigher(|_, kept: &Kept| weight(&kept.record))
            // TinyLFU would reject fresh records when full of popular ones.
            .eviction_policy(EvictionPolicy::lru())
            .build_with_hasher(hasher);
        Self { records, capacity_bytes, reported: AtomicBool::new(false) }
    }

    /// Every record whose time is not over, in no order.
    pub(super) fn iter(&self, now: Moment) -> impl Iterator<Item = (Hash, Entry)> + '_ {
        let entries = self.records.iter();
        entries.filter_map(move |(id, kept)| Some((*id, kept.entry(now)?)))
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    pub(super) fn count(&self) -> u64 {
        self.records.entry_count()
    }

    fn report_when_full(&self, weight: u32) {
        let full = self.records.weighted_size() + u64::from(weight) > self.capacity_bytes;
        if full
            && !self.reported.load(Ordering::Relaxed)
            && !self.reported.swap(true, Ordering::Relaxed)
        {
            report::capacity_reached(self.capacity_bytes);
        }
    }

    /// Does what moka puts off, so that tests see it done.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.records.run_pending_tasks();
    }
}

impl Completed for Evicting {
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry> {
        self.records.get(id)?.entry(now)
    }

    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry> {
        // Unlike `get`, this leaves no note for the eviction policy when it finds nothing.
        if !self.records.contains_key(id) {
            return None;
        }
        let found = self.get(id, now);
        if found.is_none() {
            self.records.invalidate(id);
        }
        found
    }

    fn insert(&self, id: &Hash, record: &Record, until: Moment) -> bool {
        let weight = weight(record);
        if u64::from(weight) > self.capacity_bytes {
            return false;
        }
        self.report_when_full(weight);
        let record = record.clone();
        self.records.insert(*id, Kept { record, until });
        true
    }

    fn remove(&self, id: &Hash) {
        self.records.invalidate(id);
    }
}

impl Kept {
    fn entry(self, now: Moment) -> Option<Entry> {
        let live = now < self.until;
        live.then(|| Entry::new(self.record, State::Completed, Some(now.until(self.until))))
    }
}

fn weight(record: &Record) -> u32 {
    u32::try_from(record.as_bytes().len() + OVERHEAD).unwrap_or(u32::MAX)
}

impl fmt::Debug for Evicting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evicting")
            .field("records", &self.count())
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}
