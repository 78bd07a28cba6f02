//! Completing a reservation with its result.

use super::crate_items::{Complete, CompleteOutcome, IfVacant, NotKept, State};
use super::moment::Moment;
use super::records::{CompletedMap, Records};
use super::slot::Slot;
use super::unfinished::LockedId;

impl<C: CompletedMap> Records<C> {
    pub(super) fn complete(&self, request: &Complete<'_>, now: Moment) -> CompleteOutcome {
        let mut locked = self.unfinished.lock(request.id.hash());
        let token = request.reservation.token();
        match self.entry(&locked, now) {
            Some(entry) if entry.record.token() == token => {
                // A completed record is final, even for its own owner.
                if entry.state != State::Completed {
                    self.write_completed(&mut locked, request, now);
                }
                CompleteOutcome::Recorded
            }
            Some(entry) if entry.state != State::Lapsed => CompleteOutcome::Superseded(entry),
            _ if request.if_vacant == IfVacant::Refuse => CompleteOutcome::Gone,
            _ => {
                self.write_completed(&mut locked, request, now);
                CompleteOutcome::Recorded
            }
        }
    }

    /// Writes the completed record, or a tombstone in its place if it is larger than the whole store. A
    /// tombstone of a call that runs *at most once* is not put where it could be evicted.
    pub(super) fn write_completed(
        &self,
        locked: &mut LockedId<'_>,
        request: &Complete<'_>,
        now: Moment,
    ) {
        let record = request.record;
        let until = now.after(request.ttl);
        let is_tombstone = !record.is_reservation() && !record.has_result();
        let is_evictable = !(is_tombstone && record.guarantee().keeps_lapsed());
        let scope = request.id.scope().copied();
        if is_evictable && self.completed.insert(locked.id(), record, until, scope) {
            locked.remove(now);
            return;
        }
        let tombstone =
            if is_tombstone { record.clone() } else { record.tombstone(NotKept::Evicted) };
        locked.put_tombstone(Slot::tombstone(tombstone, until, scope), now);
    }
}
