//! The completed records: a moka cache bounded by bytes, with an expiry in each record.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::sync::Cache;

use super::moment::Moment;
use super::records::CompletedMap;
use super::warnings;
use crate::backends::shared::cache::{self, Hash};
use crate::backends::shared::id_hasher::IdHasher;
use crate::model::Record;
use crate::store::{Entry, State};

/// Completed records. When they exceed the capacity, the least recently used are evicted.
pub(super) struct Completed {
    records: Cache<Hash, Expiring, IdHasher>,
    capacity_bytes: u64,
    warned: AtomicBool,
}

#[derive(Clone)]
struct Expiring {
    record: Record,
    until: Moment,
}

impl Completed {
    pub(super) fn new(capacity_bytes: u64, hasher: IdHasher) -> Self {
        let weigh = |expiring: &Expiring| cache::weight(Some(&expiring.record));
        let records = cache::builder(capacity_bytes, weigh).build_with_hasher(hasher);
        Self { records, capacity_bytes, warned: AtomicBool::new(false) }
    }

    /// Every record that has not expired, in no order.
    pub(super) fn iter(&self, now: Moment) -> impl Iterator<Item = (Hash, Entry)> + '_ {
        let entries = self.records.iter();
        entries.filter_map(move |(id, expiring)| Some((*id, expiring.entry(now)?)))
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    pub(super) fn count(&self) -> u64 {
        self.records.entry_count()
    }

    fn warn_when_full(&self, weight: u32) {
        let full = self.records.weighted_size() + u64::from(weight) > self.capacity_bytes;
        if full
            && !self.warned.load(Ordering::Relaxed)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            warnings::capacity_reached(self.capacity_bytes);
        }
    }

    /// Runs moka's pending maintenance, so that tests see its effects.
    #[cfg(test)]
    pub(super) fn run_pending_tasks(&self) {
        self.records.run_pending_tasks();
    }
}

impl CompletedMap for Completed {
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry> {
        self.records.get(id)?.entry(now)
    }

    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry> {
        // Unlike `get`, this does not tell the eviction policy about a miss.
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
        let weight = cache::weight(Some(record));
        if u64::from(weight) > self.capacity_bytes {
            return false;
        }
        self.warn_when_full(weight);
        let record = record.clone();
        self.records.insert(*id, Expiring { record, until });
        true
    }

    fn remove(&self, id: &Hash) {
        self.records.invalidate(id);
    }
}

impl Expiring {
    fn entry(self, now: Moment) -> Option<Entry> {
        let valid = now < self.until;
        valid.then(|| Entry::new(self.record, State::Completed, Some(now.until(self.until))))
    }
}

impl fmt::Debug for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completed")
            .field("records", &self.count())
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}
