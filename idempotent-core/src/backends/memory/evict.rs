//! Evicting results when the store has too many, and what they leave behind.

use super::completed::Completed;
use super::crate_items::{Hash, NotKept, Outcome, ScopeId};
use super::moment::Moment;
use super::records::Records;
use super::slot::Slot;
use super::stored_result::StoredResult;

/// What a result leaves behind that is evicted before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterEviction {
    /// A tombstone: a repeated call is refused.
    Refuse,
    /// Nothing, unless the call runs *at most once*: a repeated call runs again.
    RunAgain,
}

impl Records<Completed> {
    /// Makes room after a result was recorded under `fresh`, if it takes any. The caller holds no lock.
    #[inline]
    pub(super) fn evict_overflow(&self, fresh: &Hash, after: AfterEviction, now: Moment) {
        if self.completed.take_overfull() {
            self.make_room(fresh, after, now);
        }
    }

    #[cold]
    fn make_room(&self, fresh: &Hash, after: AfterEviction, now: Moment) {
        for (result, scope) in self.completed.take_overflow(fresh, now) {
            self.evict(&result, scope, after, now);
        }
    }

    /// Evicts a result of a scope that the ledger has forgotten. The caller holds no lock.
    pub(super) fn evict(
        &self,
        result: &StoredResult,
        scope: Option<ScopeId>,
        after: AfterEviction,
        now: Moment,
    ) {
        let mut locked = self.unfinished.lock(&result.id);
        // Another result may be under the id by now.
        if result.is_removed() {
            return;
        }
        if !result.is_expired(now) {
            self.completed.warn_of_eviction(after == AfterEviction::RunAgain);
            let is_vacant = locked.slot().is_none_or(|slot| slot.is_vacant(now));
            let refuses =
                after == AfterEviction::Refuse || result.record.guarantee().keeps_lapsed();
            if is_vacant && refuses {
                let mark = match result.record.outcome() {
                    Outcome::NotKept(_) => result.record.clone(),
                    _ => result.record.tombstone(NotKept::Evicted),
                };
                locked.put_tombstone(Slot::tombstone(mark, result.until, scope), now);
            }
        }
        // After the tombstone, so that the id is not vacant in between.
        self.completed.evict(result);
    }
}
