//! All records of the store, in two maps: the unfinished calls, whose locks order every step on an
//! id, and the completed records.
//!
//! Three rules make the two maps act as one store:
//!
//! * after finding no completed record, look *again* under the id's lock before reserving it;
//! * insert a completed record *before* removing its reservation, without releasing the lock;
//! * an id with an unfinished call has no valid completed record, so finding the former is enough.

use super::crate_items::{Entry, Hash, Record, RecordId, ScopeId};
use super::moment::Moment;
use super::unfinished::{LockedId, Unfinished};

/// Where completed records are kept.
pub(super) trait CompletedMap {
    /// The record under an id, unless it has expired.
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry>;

    /// Like `get`, for a caller that holds the id's lock and seldom finds anything. Also removes an
    /// expired record.
    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry>;

    /// Inserts the record of a scope if it fits, and says whether it did.
    fn insert(&self, id: &Hash, record: &Record, until: Moment, scope: Option<ScopeId>) -> bool;

    fn remove(&self, id: &Hash);
}

/// The store without its clock.
#[derive(Debug)]
pub(super) struct Records<C> {
    pub(super) unfinished: Unfinished,
    pub(super) completed: C,
}

impl<C: CompletedMap> Records<C> {
    pub(super) fn load(&self, id: &RecordId, now: Moment) -> Option<Entry> {
        let found = self.completed.get(id.hash(), now);
        found.or_else(|| self.entry(&self.unfinished.lock(id.hash()), now))
    }

    pub(super) fn purge(&self, id: &RecordId, now: Moment) -> bool {
        let mut locked = self.unfinished.lock(id.hash());
        let found = self.entry(&locked, now).is_some();
        self.completed.remove(id.hash());
        locked.remove(now);
        found
    }

    /// The entry under a locked id.
    pub(super) fn entry(&self, locked: &LockedId<'_>, now: Moment) -> Option<Entry> {
        let unfinished = locked.slot().and_then(|slot| slot.entry(now));
        unfinished.or_else(|| self.completed.recheck(locked.id(), now))
    }
}
