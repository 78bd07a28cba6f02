//! [`ResultLedger`]: how many bytes of results each scope keeps, and which of them go when there are too many.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::moment::Moment;
use super::stored_result::StoredResult;
use crate::backends::shared::cache::{self, Hash};
use crate::model::ScopeId;
use crate::store::ScopeUse;

/// What the ledger takes for each result, besides the cache.
const OVERHEAD_BYTES: u64 = 150;

/// An eviction makes room for more than one result, since it looks at all scopes: one part in so many of the
/// capacity.
const ROOM_PART: u64 = 64;

/// The results of all scopes.
pub(super) struct ResultLedger {
    books: Mutex<Books>,
    capacity_bytes: u64,
}

#[derive(Default)]
struct Books {
    scopes: HashMap<Option<ScopeId>, ScopeResults>,
    bytes: u64,
}

/// The results of one scope, those that end first at the front.
#[derive(Default)]
struct ScopeResults {
    results: BTreeMap<(Moment, Hash), Arc<StoredResult>>,
    /// With the bookkeeping.
    bytes: u64,
    record_bytes: u64,
    /// How many of them leave nothing else in the store.
    alone: u64,
}

/// A result that must leave the store. The ledger has forgotten it already.
pub(super) struct Victim {
    pub(super) id: Hash,
    pub(super) result: Arc<StoredResult>,
}

/// What a result takes of the capacity.
pub(super) fn weight(result: &StoredResult) -> u64 {
    u64::from(cache::weight(Some(&result.record))) + OVERHEAD_BYTES
}

impl ResultLedger {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        Self { books: Mutex::default(), capacity_bytes }
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Adds a result, and returns whether the store now has too many.
    pub(super) fn add(&self, id: &Hash, result: &Arc<StoredResult>) -> bool {
        let mut books = self.lock();
        let scope = books.scopes.entry(result.scope).or_default();
        scope.add(id, result);
        books.bytes += weight(result);
        books.bytes > self.capacity_bytes
    }

    /// Takes a result out.
    pub(super) fn remove(&self, id: &Hash, result: &StoredResult) {
        let mut books = self.lock();
        let Books { scopes, bytes } = &mut *books;
        let Some(scope) = scopes.get_mut(&result.scope) else { return };
        if scope.remove(id, result) {
            *bytes -= weight(result);
        }
        if scope.results.is_empty() {
            scopes.remove(&result.scope);
        }
    }

    /// What must go, if the store has too many results: those that have expired, and then those of the scope
    /// that has the most bytes, as long as it does. Of a scope, those go first that end first, and that nobody
    /// has read since the last time. `fresh` stays.
    pub(super) fn take_overflow(&self, fresh: &Hash, now: Moment) -> Vec<Victim> {
        let mut books = self.lock();
        if books.bytes <= self.capacity_bytes {
            return Vec::new();
        }
        let target = self.capacity_bytes - self.capacity_bytes / ROOM_PART;
        let Books { scopes, bytes } = &mut *books;
        let mut victims = Vec::new();
        for scope in scopes.values_mut() {
            scope.take_expired(now, &mut victims);
        }
        let expired = victims.iter().map(|victim| weight(&victim.result)).sum::<u64>();
        *bytes -= expired;
        let mut largest =
            scopes.iter().map(|(scope, held)| (held.bytes, *scope)).collect::<BinaryHeap<_>>();
        while let Some((_, key)) = largest.pop().filter(|_| *bytes > target) {
            let Some(scope) = scopes.get_mut(&key) else { continue };
            let next = largest.peek().map_or(0, |(bytes, _)| *bytes);
            let least = *bytes - target;
            let took = scope.take_some(least, next, fresh, &mut victims);
            *bytes -= took;
            if took > 0 {
                largest.push((scope.bytes, key));
            }
        }
        scopes.retain(|_, scope| !scope.results.is_empty());
        victims
    }

    /// What a scope keeps, apart from what has expired, which it returns too.
    pub(super) fn scope_use(
        &self,
        scope: &ScopeId,
        up_to: u64,
        now: Moment,
    ) -> (ScopeUse, Vec<Victim>) {
        let mut books = self.lock();
        let Books { scopes, bytes } = &mut *books;
        let mut expired = Vec::new();
        let Some(held) = scopes.get_mut(&Some(*scope)) else {
            return (ScopeUse::default(), expired);
        };
        // Otherwise there is no need to be exact.
        if held.alone >= up_to
            || held.results.first_key_value().is_some_and(|(end, _)| end.0 <= now)
        {
            held.take_expired(now, &mut expired);
            *bytes -= expired.iter().map(|victim| weight(&victim.result)).sum::<u64>();
        }
        let found = ScopeUse { records: held.alone, bytes: held.record_bytes, indeterminate: 0 };
        (found, expired)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // Nothing panics while it holds the lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ScopeResults {
    fn add(&mut self, id: &Hash, result: &Arc<StoredResult>) {
        self.bytes += weight(result);
        self.record_bytes += result.record.as_bytes().len() as u64;
        self.alone += u64::from(is_alone(result));
        self.results.insert((result.until, *id), Arc::clone(result));
    }

    fn remove(&mut self, id: &Hash, result: &StoredResult) -> bool {
        let removed = self.results.remove(&(result.until, *id)).is_some();
        if removed {
            self.forget(result);
        }
        removed
    }

    fn forget(&mut self, result: &StoredResult) {
        self.bytes -= weight(result);
        self.record_bytes -= result.record.as_bytes().len() as u64;
        self.alone -= u64::from(is_alone(result));
    }

    fn take_expired(&mut self, now: Moment, victims: &mut Vec<Victim>) {
        while let Some(first) = self.results.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, id), result) = first.remove_entry();
            self.forget(&result);
            victims.push(Victim { id, result });
        }
    }

    /// Takes results out until `least` bytes are gone, or no more than `until` are left. Returns how many bytes
    /// it took.
    fn take_some(
        &mut self,
        least: u64,
        until: u64,
        fresh: &Hash,
        victims: &mut Vec<Victim>,
    ) -> u64 {
        let mut took = 0;
        // Those that were read stay the first time around. After that, none is known to have been read.
        for _ in 0..2 {
            let mut chosen = Vec::new();
            for (key, result) in &self.results {
                let is_enough = took >= least || self.bytes - took <= until;
                if took > 0 && is_enough {
                    break;
                }
                if key.1 != *fresh && !result.take_read() {
                    took += weight(result);
                    chosen.push(*key);
                }
            }
            for key in chosen {
                if let Some(result) = self.results.remove(&key) {
                    self.forget(&result);
                    victims.push(Victim { id: key.1, result });
                }
            }
            if took > 0 {
                break;
            }
        }
        took
    }
}

/// Whether a result is the only trace of its call. Under *at most once* there is a tombstone too.
fn is_alone(result: &StoredResult) -> bool {
    !result.record.guarantee().keeps_lapsed()
}
