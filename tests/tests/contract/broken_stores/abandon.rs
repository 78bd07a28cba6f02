//! What can be wrong with abandoning.

use std::time::Duration;

use idempotent_core::model::{NotKept, Outcome, OwnerState, Record};
use idempotent_core::store::{Abandon, Clock as _};

use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) fn abandon_wrongly(&self, request: &Abandon<'_>) -> Option<()> {
        let now = self.store.clock.now();
        let stored = self.store.slots().get(request.id).cloned();
        let Some(slot) = stored else {
            if self.has(Flaw::AbandonWritesWhereNothingStands) {
                self.put(request.id, request.record, Duration::ZERO);
            }
            return None;
        };
        let own = slot.record.token() == request.reservation.token();
        let reserved = slot.record.outcome() == Outcome::Reserved;
        let left = slot.until.saturating_sub(now);
        let lease = if request.ends_lease() { Duration::ZERO } else { left };
        let write = |record: &Record, lease| {
            self.put(request.id, record, lease);
            Some(())
        };
        match self.flaw {
            Flaw::AbandonDoesNothing => Some(()),
            Flaw::AbandonIgnoresTheToken if !own => write(request.record, lease),
            Flaw::AbandonEndsEveryLease if own && reserved => write(request.record, Duration::ZERO),
            Flaw::AbandonStartsTheLeaseAnew if own && reserved && !request.ends_lease() => {
                write(request.record, request.record.lease())
            }
            Flaw::AbandonTouchesCompletedRecords if own && !reserved => {
                write(request.record, lease)
            }
            Flaw::AbandonKeepsTheGuarantee if own && reserved => {
                let marked = match request.record.owner_state() {
                    OwnerState::Abandoned => request.reservation.abandoned(),
                    _ => request.reservation.held(),
                };
                write(&marked, lease)
            }
            Flaw::AbandonFreesTheId if own && reserved => {
                self.remove(request.id);
                Some(())
            }
            Flaw::AbandonIsFinal if own && reserved && request.ends_lease() => {
                let tombstone = request.record.tombstone(NotKept::Withheld);
                write(&tombstone, request.record.retention())
            }
            _ => None,
        }
    }
}
