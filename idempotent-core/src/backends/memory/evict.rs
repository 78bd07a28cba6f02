//! Evicting results when the store has too many, and what they leave behind.

use super::completed::Completed;
use super::crate_items::{Hash, NotKept, Outcome};
use super::moment::Moment;
use super::records::Records;
use super::result_ledger::Victim;
use super::slot::Slot;

/// What a result leaves behind that is evicted before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterEviction {
    /// A tombstone: a repeated call is refused.
    Refuse,
    /// Nothing: a repeated call runs again.
    RunAgain,
}

impl Records<Completed> {
    /// Makes room after a result was recorded under `fresh`. The caller holds no lock.
    pub(super) fn evict_overflow(&self, fresh: &Hash, after: AfterEviction, now: Moment) {
        for victim in self.completed.take_overflow(fresh, now) {
            self.evict(&victim, after, now);
        }
    }

    fn evict(&self, victim: &Victim, after: AfterEviction, now: Moment) {
        let mut locked = self.unfinished.lock(&victim.id);
        if !self.completed.has(victim) {
            return;
        }
        let result = &victim.result;
        if !result.is_expired(now) {
            self.completed.warn_of_eviction(after == AfterEviction::RunAgain);
            let is_vacant = locked.slot().is_none_or(|slot| slot.is_vacant(now));
            if is_vacant && after == AfterEviction::Refuse {
                let mark = match result.record.outcome() {
                    Outcome::NotKept(_) => result.record.clone(),
                    _ => result.record.tombstone(NotKept::Evicted),
                };
                locked.put_tombstone(Slot::tombstone(mark, result.until, result.scope), now);
            }
        }
        // After the tombstone, so that the id is not vacant in between.
        self.completed.evict(victim);
    }
}
