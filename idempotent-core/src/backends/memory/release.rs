//! Releasing a reservation, so that its id is vacant again.

use super::crate_items::{Release, State};
use super::moment::Moment;
use super::records::{CompletedMap, Records};

impl<C: CompletedMap> Records<C> {
    pub(super) fn release(&self, request: &Release<'_>, now: Moment) {
        let mut locked = self.unfinished.lock(request.id.hash());
        let token = request.reservation.token();
        let state = locked
            .slot()
            .filter(|slot| slot.record.token() == token)
            .and_then(|slot| slot.state(now));
        let may_release = match state {
            Some(State::Reserved | State::Lapsed) => true,
            Some(State::Indeterminate) => request.indeterminate,
            _ => false,
        };
        if !may_release {
            return;
        }
        match locked.slot_mut() {
            // Its owner may not know of the journal.
            Some(slot) if slot.record.has_progress() => slot.end_lease(now),
            _ => locked.remove(now),
        }
    }
}
