//! [`Completed`]: stands in for moka and its ledger, without deciding what goes.

use std::collections::HashMap;

use loom::sync::{Arc, Mutex, MutexGuard};

use super::crate_items::{Entry, Hash, Record, ScopeId};
use super::moment::Moment;
use super::records::CompletedMap;
use super::stored_result::{ScopeNumber, StoredResult};

#[derive(Debug, Default)]
pub(super) struct Completed(Mutex<HashMap<Hash, Arc<StoredResult>>>);

impl Completed {
    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Arc<StoredResult>>> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub(super) fn find(&self, id: &Hash) -> Option<Arc<StoredResult>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn take_overfull(&self) -> bool {
        false
    }

    pub(super) fn take_overflow(
        &self,
        _: &Hash,
        _: Moment,
    ) -> Vec<(Arc<StoredResult>, Option<ScopeId>)> {
        Vec::new()
    }

    pub(super) fn warn_of_eviction(&self, _: bool) {}

    pub(super) fn evict(&self, result: &StoredResult) {
        result.set_removed();
        self.lock().remove(&result.id);
    }
}

impl CompletedMap for Completed {
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry> {
        self.find(id)?.entry(now)
    }

    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry> {
        self.get(id, now)
    }

    fn insert(&self, id: &Hash, record: &Record, until: Moment, _: Option<ScopeId>) -> bool {
        let result = StoredResult::new(*id, record.clone(), until, ScopeNumber::default());
        self.lock().insert(*id, Arc::new(result));
        true
    }

    fn remove(&self, id: &Hash) {
        if let Some(result) = self.lock().remove(id) {
            result.set_removed();
        }
    }
}
