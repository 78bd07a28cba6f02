//! The completed records: a moka cache, bounded by a ledger that knows whose they are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use moka::sync::Cache;

use super::moment::Moment;
use super::records::CompletedMap;
use super::result_ledger::ResultLedger;
use super::stored_key::StoredKey;
use super::stored_result::StoredResult;
use super::warnings;
use crate::backends::shared::cache::Hash;
use crate::model::IdHasher;
use crate::model::{Record, ScopeId};
use crate::store::{Entry, ScopeUse};

/// Completed records. The cache itself evicts nothing: what goes, and what it leaves behind, is decided
/// by `evict`.
pub(super) struct Completed {
    records: Cache<StoredKey, Arc<StoredResult>, IdHasher>,
    ledger: ResultLedger,
    is_overfull: AtomicBool,
    warned: AtomicBool,
}

impl Completed {
    pub(super) fn new(capacity_bytes: u64, hasher: IdHasher) -> Self {
        Self {
            records: Cache::builder().build_with_hasher(hasher.clone()),
            ledger: ResultLedger::new(capacity_bytes, hasher),
            is_overfull: AtomicBool::new(false),
            warned: AtomicBool::new(false),
        }
    }

    /// The record under an id, though it may have expired.
    pub(super) fn find(&self, id: &Hash) -> Option<Arc<StoredResult>> {
        let found = self.records.get(id)?;
        found.set_read();
        Some(found)
    }

    /// Every record that has not expired, in no order.
    pub(super) fn iter(&self, now: Moment) -> impl Iterator<Item = (Hash, Entry)> + '_ {
        let entries = self.records.iter();
        entries.filter_map(move |(_, result)| Some((result.id, result.entry(now)?)))
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.ledger.capacity_bytes()
    }

    pub(super) fn count(&self) -> u64 {
        self.records.entry_count()
    }

    /// The results of a scope, and their bytes. What has expired is forgotten by the ledger, and is to be
    /// removed by `evict`.
    pub(super) fn scope_use(
        &self,
        scope: &ScopeId,
        up_to: u64,
        now: Moment,
    ) -> (ScopeUse, Vec<Arc<StoredResult>>) {
        self.ledger.scope_use(scope, up_to, now)
    }

    /// Whether the store may have had too many results since this was last asked.
    #[inline]
    pub(super) fn take_overfull(&self) -> bool {
        self.is_overfull.load(Ordering::Relaxed) && self.is_overfull.swap(false, Ordering::Relaxed)
    }

    /// What must go because the store has too many results, though not the record under `fresh`.
    pub(super) fn take_overflow(
        &self,
        fresh: &Hash,
        now: Moment,
    ) -> Vec<(Arc<StoredResult>, Option<ScopeId>)> {
        self.ledger.take_overflow(fresh, now)
    }

    /// Removes a result that the ledger has forgotten already, and that is still there. Its id must be locked.
    pub(super) fn evict(&self, result: &StoredResult) {
        result.set_removed();
        self.records.invalidate(&result.id);
    }

    /// Logs once that results are evicted.
    pub(super) fn warn_of_eviction(&self, runs_again: bool) {
        if !self.warned.load(Ordering::Relaxed) && !self.warned.swap(true, Ordering::Relaxed) {
            warnings::capacity_reached(self.capacity_bytes(), runs_again);
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
        self.find(id)?.entry(now)
    }

    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry> {
        // Unlike `get`, this does not tell moka about a miss.
        if !self.records.contains_key(id) {
            return None;
        }
        let found = self.get(id, now);
        if found.is_none() {
            self.remove(id);
        }
        found
    }

    fn insert(&self, id: &Hash, record: &Record, until: Moment, scope: Option<ScopeId>) -> bool {
        // Whoever evicts it meanwhile has to wait for the id's lock.
        let Some(added) = self.ledger.add(id, record, until, scope) else { return false };
        self.records.insert(StoredKey(Arc::clone(&added.result)), added.result);
        if added.is_overfull {
            self.is_overfull.store(true, Ordering::Relaxed);
        }
        true
    }

    fn remove(&self, id: &Hash) {
        if let Some(result) = self.records.remove(id) {
            result.set_removed();
            self.ledger.remove(&result);
        }
    }
}

impl fmt::Debug for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completed")
            .field("records", &self.count())
            .field("capacity_bytes", &self.capacity_bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Envelope, Token};

    #[test]
    fn ids_that_hash_alike_have_records_of_their_own() {
        let completed = Completed::new(1 << 20, IdHasher::random());
        let (one, mut other) = ([7; 32], [7; 32]);
        other[31] = 8; // beyond what `IdHasher` looks at
        let (now, end) = (Moment::of(Duration::ZERO), Moment::of(Duration::from_secs(60)));
        let record = || Record::reserved(&Envelope::new("test"), Token::random()).completed(b"x");
        let records = [(one, record()), (other, record())];
        for (id, record) in &records {
            assert!(completed.insert(id, record, end, None));
        }
        for (id, record) in &records {
            assert_eq!(completed.get(id, now).expect("it is there").record, *record);
        }
        completed.remove(&one);
        assert!(completed.get(&one, now).is_none() && completed.get(&other, now).is_some());
    }
}
