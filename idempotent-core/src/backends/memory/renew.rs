//! Renewing the lease of a reservation.

use super::crate_items::{Renew, RenewOutcome, State};
use super::moment::Moment;
use super::records::{CompletedMap, Records};

impl<C: CompletedMap> Records<C> {
    pub(super) fn renew(&self, request: &Renew<'_>, now: Moment) -> RenewOutcome {
        let mut locked = self.unfinished.lock(request.id.hash());
        let token = request.reservation.token();
        match locked.slot_mut() {
            Some(slot)
                if slot.record.token() == token && slot.state(now) == Some(State::Reserved) =>
            {
                slot.renew(now, request.lease);
                RenewOutcome::Renewed
            }
            _ => RenewOutcome::Lost,
        }
    }
}
