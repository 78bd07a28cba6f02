//! [`ResultLedger`]: how many bytes of results each scope keeps, and which of them go when there are too many.

use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::expiry_queue::{Choice, ExpiryQueue};
use super::moment::Moment;
use super::stored_result::StoredResult;
use crate::backends::shared::cache::{self, Hash};
use crate::model::IdHasher;
use crate::model::ScopeId;
use crate::store::ScopeUse;

/// What the ledger takes for each result, besides the cache.
const OVERHEAD_BYTES: u64 = 100;

/// An eviction makes room for more than one result, since it looks at all scopes: one part in so many of the
/// capacity.
const ROOM_PART: u64 = 64;

/// The results of all scopes.
pub(super) struct ResultLedger {
    books: Mutex<Books>,
    capacity_bytes: u64,
}

struct Books {
    /// Of calls without a scope.
    unscoped: ScopeResults,
    scopes: HashMap<ScopeId, ScopeResults, IdHasher>,
    bytes: u64,
}

/// The results of one scope.
#[derive(Default)]
struct ScopeResults {
    queue: ExpiryQueue,
    /// With the bookkeeping.
    bytes: u64,
    record_bytes: u64,
}

/// What a result takes of the capacity.
pub(super) fn weight(result: &StoredResult) -> u64 {
    u64::from(cache::weight(Some(&result.record))) + OVERHEAD_BYTES
}

impl ResultLedger {
    pub(super) fn new(capacity_bytes: u64, hasher: IdHasher) -> Self {
        let scopes = HashMap::with_hasher(hasher);
        let books = Books { unscoped: ScopeResults::default(), scopes, bytes: 0 };
        Self { books: Mutex::new(books), capacity_bytes }
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Adds a result, and returns whether the store now has too many.
    pub(super) fn add(&self, result: Arc<StoredResult>) -> bool {
        let mut books = self.lock();
        books.bytes += weight(&result);
        books.results_of(result.scope).add(result);
        books.bytes > self.capacity_bytes
    }

    /// Takes a result out.
    pub(super) fn remove(&self, result: &StoredResult) {
        let mut books = self.lock();
        let results = books.results_of(result.scope);
        let removed = results.remove(result);
        let is_empty = results.queue.is_empty();
        if removed {
            books.bytes -= weight(result);
        }
        if let Some(scope) = result.scope.filter(|_| is_empty) {
            books.scopes.remove(&scope);
        }
    }

    /// What must go, if the store has too many results: those that have expired, and then those of the scope
    /// that has the most bytes, as long as it does. Of a scope, those go first that end first, and that nobody
    /// has read since the last time. `fresh` stays.
    pub(super) fn take_overflow(&self, fresh: &Hash, now: Moment) -> Vec<Arc<StoredResult>> {
        let mut books = self.lock();
        if books.bytes <= self.capacity_bytes {
            return Vec::new();
        }
        let target = self.capacity_bytes - self.capacity_bytes / ROOM_PART;
        let Books { unscoped, scopes, bytes } = &mut *books;
        let mut victims = unscoped.take_expired(now);
        for results in scopes.values_mut() {
            victims.append(&mut results.take_expired(now));
        }
        *bytes -= victims.iter().map(|victim| weight(victim)).sum::<u64>();
        let mut largest: BinaryHeap<_> =
            scopes.iter().map(|(scope, results)| (results.bytes, Some(*scope))).collect();
        largest.push((unscoped.bytes, None));
        while let Some((_, scope)) = largest.pop().filter(|_| *bytes > target) {
            let results = match scope {
                Some(scope) => scopes.get_mut(&scope),
                None => Some(&mut *unscoped),
            };
            let Some(results) = results else { continue };
            let next = largest.peek().map_or(0, |(bytes, _)| *bytes);
            let mut taken = results.take_some(*bytes - target, next, fresh);
            if !taken.is_empty() {
                *bytes -= taken.iter().map(|victim| weight(victim)).sum::<u64>();
                largest.push((results.bytes, scope));
                victims.append(&mut taken);
            }
        }
        scopes.retain(|_, results| !results.queue.is_empty());
        victims
    }

    /// What a scope keeps, apart from what has expired, which it returns too.
    pub(super) fn scope_use(
        &self,
        scope: &ScopeId,
        up_to: u64,
        now: Moment,
    ) -> (ScopeUse, Vec<Arc<StoredResult>>) {
        let mut books = self.lock();
        let Books { scopes, bytes, .. } = &mut *books;
        let mut expired = Vec::new();
        let Some(results) = scopes.get_mut(scope) else {
            return (ScopeUse::default(), expired);
        };
        // Otherwise there is no need to be exact.
        if results.queue.len() as u64 >= up_to
            || results.queue.first_end().is_some_and(|end| end <= now)
        {
            expired = results.take_expired(now);
            *bytes -= expired.iter().map(|victim| weight(victim)).sum::<u64>();
        }
        let found = ScopeUse {
            records: results.queue.len() as u64,
            bytes: results.record_bytes,
            indeterminate: 0,
        };
        (found, expired)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // Nothing panics while it holds the lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    #[inline]
    fn results_of(&mut self, scope: Option<ScopeId>) -> &mut ScopeResults {
        match scope {
            Some(scope) => self.scopes.entry(scope).or_default(),
            None => &mut self.unscoped,
        }
    }
}

impl ScopeResults {
    #[inline]
    fn add(&mut self, result: Arc<StoredResult>) {
        self.bytes += weight(&result);
        self.record_bytes += result.record.as_bytes().len() as u64;
        self.queue.push(result);
    }

    fn remove(&mut self, result: &StoredResult) -> bool {
        let removed = self.queue.remove(result);
        if removed {
            self.forget(result);
        }
        removed
    }

    fn forget(&mut self, result: &StoredResult) {
        self.bytes -= weight(result);
        self.record_bytes -= result.record.as_bytes().len() as u64;
    }

    fn take_expired(&mut self, now: Moment) -> Vec<Arc<StoredResult>> {
        let expired =
            self.queue.take(|it| if it.is_expired(now) { Choice::Take } else { Choice::Stop });
        expired.iter().for_each(|result| self.forget(result));
        expired
    }

    /// Takes results out until `least` bytes are gone, or no more than `until` are left.
    fn take_some(&mut self, least: u64, until: u64, fresh: &Hash) -> Vec<Arc<StoredResult>> {
        // Those that were read stay the first time around. After that, none is known to have been read.
        for _ in 0..2 {
            let mut took = 0;
            let taken = self.queue.take(|it| {
                let is_enough = took >= least || self.bytes - took <= until;
                if took > 0 && is_enough {
                    Choice::Stop
                } else if it.id == *fresh || it.take_read() {
                    Choice::Keep
                } else {
                    took += weight(it);
                    Choice::Take
                }
            });
            if !taken.is_empty() {
                taken.iter().for_each(|result| self.forget(result));
                return taken;
            }
        }
        Vec::new()
    }
}
