//! [`ResultLedger`]: how many bytes of results each scope keeps, and which of them go when there are too many.

use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::expiry_queue::{Choice, ExpiryQueue};
use super::moment::Moment;
use super::stored_result::{ScopeNumber, StoredResult};
use crate::backends::shared::cache::{self, Hash};
use crate::model::{IdHasher, Record, ScopeId};
use crate::store::ScopeUse;

/// What the ledger takes for each result, besides the cache.
const OVERHEAD_BYTES: u64 = 100;

/// An eviction makes room for more than one result, since it looks at all scopes: one part in so many of the
/// capacity.
const ROOM_PART: u64 = 64;

/// The number of calls without a scope.
const UNSCOPED: ScopeNumber = ScopeNumber(0);

/// The results of all scopes.
pub(super) struct ResultLedger {
    books: Mutex<Books>,
    capacity_bytes: u64,
}

struct Books {
    /// By number. The first are those of calls without a scope.
    results: Vec<ScopeResults>,
    numbers: HashMap<ScopeId, ScopeNumber, IdHasher>,
    /// The numbers that no scope has.
    vacant: Vec<ScopeNumber>,
    bytes: u64,
}

/// The results of one scope.
#[derive(Default)]
struct ScopeResults {
    scope: Option<ScopeId>,
    queue: ExpiryQueue,
    /// With the bookkeeping.
    bytes: u64,
    record_bytes: u64,
}

/// A result that was added.
pub(super) struct Added {
    pub(super) result: Arc<StoredResult>,
    /// Whether the store now has too many.
    pub(super) is_overfull: bool,
}

/// What a result takes of the capacity.
fn weight(record: &Record) -> u64 {
    u64::from(cache::weight(Some(record))) + OVERHEAD_BYTES
}

impl ResultLedger {
    pub(super) fn new(capacity_bytes: u64, hasher: IdHasher) -> Self {
        let (results, vacant) = (vec![ScopeResults::default()], Vec::new());
        let books = Books { results, numbers: HashMap::with_hasher(hasher), vacant, bytes: 0 };
        Self { books: Mutex::new(books), capacity_bytes }
    }

    pub(super) const fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Adds the record of a scope, unless it is larger than the whole store.
    pub(super) fn add(
        &self,
        id: &Hash,
        record: &Record,
        until: Moment,
        scope: Option<ScopeId>,
    ) -> Option<Added> {
        let weight = weight(record);
        if weight > self.capacity_bytes {
            return None;
        }
        let mut books = self.lock();
        let number = scope.map_or(UNSCOPED, |scope| books.number_of(scope));
        let result = Arc::new(StoredResult::new(*id, record.clone(), until, number));
        books.bytes += weight;
        if let Some(results) = books.results_of(number) {
            results.add(Arc::clone(&result));
        }
        Some(Added { result, is_overfull: books.bytes > self.capacity_bytes })
    }

    /// Takes a result out.
    pub(super) fn remove(&self, result: &StoredResult) {
        let mut books = self.lock();
        // Another scope may have the number by now, and does not have the result.
        let removed = books.results_of(result.scope).is_some_and(|results| results.remove(result));
        if removed {
            books.bytes -= weight(&result.record);
            books.forget_empty(result.scope);
        }
    }

    /// What must go, if the store has too many results: those that have expired, and then those of the scope
    /// that has the most bytes, as long as it does. Of a scope, those go first that end first, and that nobody
    /// has read since the last time. `fresh` stays.
    pub(super) fn take_overflow(
        &self,
        fresh: &Hash,
        now: Moment,
    ) -> Vec<(Arc<StoredResult>, Option<ScopeId>)> {
        let mut books = self.lock();
        if books.bytes <= self.capacity_bytes {
            return Vec::new();
        }
        let target = self.capacity_bytes - self.capacity_bytes / ROOM_PART;
        let Books { results, bytes, .. } = &mut *books;
        let mut victims = Vec::new();
        for results in &mut *results {
            let scope = results.scope;
            victims.extend(results.take_expired(now).into_iter().map(|result| (result, scope)));
        }
        *bytes -= victims.iter().map(|(victim, _)| weight(&victim.record)).sum::<u64>();
        let mut largest: BinaryHeap<_> =
            results.iter().enumerate().map(|(at, results)| (results.bytes, at)).collect();
        while let Some((_, at)) = largest.pop().filter(|_| *bytes > target) {
            let results = &mut results[at];
            let next = largest.peek().map_or(0, |(bytes, _)| *bytes);
            let taken = results.take_some(*bytes - target, next, fresh);
            if !taken.is_empty() {
                *bytes -= taken.iter().map(|victim| weight(&victim.record)).sum::<u64>();
                largest.push((results.bytes, at));
                victims.extend(taken.into_iter().map(|result| (result, results.scope)));
            }
        }
        for (victim, _) in &victims {
            books.forget_empty(victim.scope);
        }
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
        let Books { results, numbers, bytes, .. } = &mut *books;
        let mut expired = Vec::new();
        let number = numbers.get(scope).copied().unwrap_or(UNSCOPED);
        let found = results.get_mut(number.0 as usize).filter(|_| numbers.contains_key(scope));
        let Some(results) = found else { return (ScopeUse::default(), expired) };
        // Otherwise there is no need to be exact.
        if results.queue.len() as u64 >= up_to
            || results.queue.first_end().is_some_and(|end| end <= now)
        {
            expired = results.take_expired(now);
            *bytes -= expired.iter().map(|victim| weight(&victim.record)).sum::<u64>();
        }
        let found = ScopeUse {
            records: results.queue.len() as u64,
            bytes: results.record_bytes,
            indeterminate: 0,
        };
        books.forget_empty(number);
        (found, expired)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // Nothing panics while it holds the lock.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    #[inline]
    fn results_of(&mut self, number: ScopeNumber) -> Option<&mut ScopeResults> {
        self.results.get_mut(number.0 as usize)
    }

    /// The number of a scope, which may be a new one.
    fn number_of(&mut self, scope: ScopeId) -> ScopeNumber {
        let Self { results, numbers, vacant, .. } = self;
        *numbers.entry(scope).or_insert_with(|| {
            let fresh = ScopeResults { scope: Some(scope), ..ScopeResults::default() };
            if let Some(number) = vacant.pop() {
                results[number.0 as usize] = fresh;
                return number;
            }
            results.push(fresh);
            ScopeNumber(u32::try_from(results.len() - 1).unwrap_or(u32::MAX))
        })
    }

    /// Frees the number of a scope that has no results any more.
    fn forget_empty(&mut self, number: ScopeNumber) {
        let Some(results) = self.results_of(number).filter(|it| it.queue.is_empty()) else {
            return;
        };
        if let Some(scope) = results.scope {
            *results = ScopeResults::default();
            self.numbers.remove(&scope);
            self.vacant.push(number);
        }
    }
}

impl ScopeResults {
    #[inline]
    fn add(&mut self, result: Arc<StoredResult>) {
        self.bytes += weight(&result.record);
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
        self.bytes -= weight(&result.record);
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
                    took += weight(&it.record);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Envelope, Token};

    fn ledger() -> ResultLedger {
        ResultLedger::new(1 << 20, IdHasher::random())
    }

    fn scope(number: u16) -> ScopeId {
        let [low, high] = number.to_le_bytes();
        ScopeId::from_bytes([low, high, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7])
    }

    fn add(ledger: &ResultLedger, scope: ScopeId) -> Arc<StoredResult> {
        let record = Record::reserved(&Envelope::new("test"), Token::random()).completed(b"done");
        let until = Moment::of(Duration::from_secs(60));
        ledger.add(&[7; 32], &record, until, Some(scope)).expect("there is room").result
    }

    fn records(ledger: &ResultLedger, scope: ScopeId) -> u64 {
        ledger.scope_use(&scope, u64::MAX, Moment::of(Duration::ZERO)).0.records
    }

    #[test]
    fn a_result_that_is_removed_late_takes_none_of_the_scope_that_has_its_number_now() {
        let ledger = ledger();
        let late = add(&ledger, scope(1));
        ledger.remove(&late);
        let other = add(&ledger, scope(2));
        assert_eq!(late.scope, other.scope);
        ledger.remove(&late);
        assert_eq!((records(&ledger, scope(1)), records(&ledger, scope(2))), (0, 1));
        ledger.remove(&other);
        assert_eq!(records(&ledger, scope(2)), 0);
    }

    #[test]
    fn scopes_that_have_no_results_any_more_take_no_room() {
        let ledger = ledger();
        for number in 0..1_000 {
            ledger.remove(&add(&ledger, scope(number)));
        }
        let books = ledger.lock();
        assert!(books.results.len() <= 2 && books.numbers.is_empty() && books.bytes == 0);
    }

    #[test]
    fn a_scope_whose_results_have_expired_by_the_time_that_it_is_looked_at_takes_no_room() {
        let ledger = ledger();
        let result = add(&ledger, scope(7));
        let (found, expired) = ledger.scope_use(&scope(7), u64::MAX, result.until);
        assert_eq!((found.records, expired.len()), (0, 1));
        let books = ledger.lock();
        assert!(books.numbers.is_empty() && books.bytes == 0);
    }
}
