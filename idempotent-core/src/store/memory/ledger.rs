//! The transitions between a record's states, over two maps: the claims, whose locks order every
//! step on an id, and the completed records.
//!
//! Three rules keep the two maps one store:
//!
//! * who finds no completed record looks *again* under the id's lock before claiming it;
//! * a completed record is inserted *before* its claim goes, within one hold of the lock;
//! * a claimed id has no completed record that is still valid, so who finds a claim need not look.

use super::claims::{Claims, Full, Hash, Place};
use super::moment::Moment;
use super::slot::Slot;
use super::{
    Complete, CompleteOutcome, Entry, NotKept, Outcome, Record, RecordId, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, State, Vacant,
};

/// Where completed records live: a map that forgets some of them when it is full.
pub(super) trait Completed {
    /// The record under an id, if its time is not over.
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry>;

    /// The same with the id's lock held: mostly finds nothing, and removes what is over.
    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry>;

    /// Whether the record fits. If it does not, it was not taken.
    fn insert(&self, id: &Hash, record: &Record, until: Moment) -> bool;

    fn remove(&self, id: &Hash);
}

/// The store without its clock.
#[derive(Debug)]
pub(super) struct Ledger<C> {
    pub(super) claims: Claims,
    pub(super) completed: C,
}

impl<C: Completed> Ledger<C> {
    pub(super) fn reserve(
        &self,
        request: &Reserve<'_>,
        now: Moment,
    ) -> Result<ReserveOutcome, Full> {
        match self.claim(request, now) {
            Err(Full) => {
                self.claims.sweep(now);
                self.claim(request, now)
            }
            answer => answer,
        }
    }

    fn claim(&self, request: &Reserve<'_>, now: Moment) -> Result<ReserveOutcome, Full> {
        let mut place = self.claims.lock(request.id.hash());
        match self.standing(&place, now) {
            Some(entry) if entry.state != State::Lapsed => {
                // Before anybody looked at the request's token, no record can carry it.
                let own = entry.state == State::Reserved
                    && request.is_written()
                    && entry.record.token() == request.token();
                Ok(if own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) })
            }
            _ => {
                let reservation = request.record().clone();
                place.claim(Slot::reserved(reservation, now, request.lease()), now)?;
                Ok(ReserveOutcome::Won)
            }
        }
    }

    pub(super) fn renew(&self, request: &Renew<'_>, now: Moment) -> RenewOutcome {
        let mut place = self.claims.lock(request.id.hash());
        let token = request.reservation.token();
        match place.slot_mut() {
            Some(slot)
                if slot.record.token() == token && slot.state(now) == Some(State::Reserved) =>
            {
                slot.renew(now, request.lease);
                RenewOutcome::Renewed
            }
            _ => RenewOutcome::Lost,
        }
    }

    pub(super) fn complete(&self, request: &Complete<'_>, now: Moment) -> CompleteOutcome {
        let mut place = self.claims.lock(request.id.hash());
        let token = request.reservation.token();
        match self.standing(&place, now) {
            Some(entry) if entry.record.token() == token => {
                // Completed is final, also for its own owner.
                if entry.state != State::Completed {
                    self.finish(&mut place, request, now);
                }
                CompleteOutcome::Recorded
            }
            Some(entry) if entry.state != State::Lapsed => CompleteOutcome::Superseded(entry),
            _ if request.vacant == Vacant::Refuse => CompleteOutcome::Gone,
            _ => {
                self.finish(&mut place, request, now);
                CompleteOutcome::Recorded
            }
        }
    }

    /// Writes the completed record, and leaves a mark where its loss must not make the id vacant:
    /// under *at most once*, and where the record is larger than the whole store.
    fn finish(&self, place: &mut Place<'_>, request: &Complete<'_>, now: Moment) {
        let record = request.record;
        let until = now.after(request.ttl);
        let is_tombstone = matches!(record.outcome(), Outcome::NotKept(_));
        let needs_mark = record.guarantee().keeps_lapsed();
        let says_it_all = is_tombstone && needs_mark;
        let kept = !says_it_all && self.completed.insert(place.id(), record, until);
        if kept && !needs_mark {
            place.vacate(now);
            return;
        }
        let mark = if is_tombstone { record.clone() } else { record.tombstone(NotKept::Evicted) };
        place.mark(Slot::mark(mark, until), now);
    }

    pub(super) fn release(&self, request: &Release<'_>, now: Moment) {
        let mut place = self.claims.lock(request.id.hash());
        let token = request.reservation.token();
        let state = place
            .slot()
            .filter(|slot| slot.record.token() == token)
            .and_then(|slot| slot.state(now));
        let goes = match state {
            Some(State::Reserved | State::Lapsed) => true,
            Some(State::Indeterminate) => request.indeterminate,
            _ => false,
        };
        if goes {
            place.vacate(now);
        }
    }

    pub(super) fn load(&self, id: &RecordId, now: Moment) -> Option<Entry> {
        let found = self.completed.get(id.hash(), now);
        found.or_else(|| self.standing(&self.claims.lock(id.hash()), now))
    }

    pub(super) fn purge(&self, id: &RecordId, now: Moment) -> bool {
        let mut place = self.claims.lock(id.hash());
        let found = self.standing(&place, now).is_some();
        self.completed.remove(id.hash());
        place.vacate(now);
        found
    }

    /// What stands under a locked id. Behind a mark, the record itself may still be there.
    fn standing(&self, place: &Place<'_>, now: Moment) -> Option<Entry> {
        let claimed = place.slot().and_then(|slot| slot.entry(now));
        match claimed {
            Some(entry) if entry.state != State::Completed => Some(entry),
            mark => self.completed.recheck(place.id(), now).or(mark),
        }
    }
}
