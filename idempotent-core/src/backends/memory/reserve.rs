//! Reserving an id.

use super::crate_items::{Reserve, ReserveOutcome, State};
use super::moment::Moment;
use super::records::{CompletedMap, Records};
use super::slot::Slot;
use super::unfinished::Full;

impl<C: CompletedMap> Records<C> {
    pub(super) fn reserve(
        &self,
        request: &Reserve<'_>,
        now: Moment,
    ) -> Result<ReserveOutcome, Full> {
        match self.try_reserve(request, now) {
            Err(Full) => {
                self.unfinished.sweep(now);
                self.try_reserve(request, now)
            }
            answer => answer,
        }
    }

    fn try_reserve(&self, request: &Reserve<'_>, now: Moment) -> Result<ReserveOutcome, Full> {
        let mut locked = self.unfinished.lock(request.id.hash());
        match self.entry(&locked, now) {
            Some(entry) if entry.state != State::Lapsed => {
                // No record can carry the request's token before the token was read.
                let own = entry.state == State::Reserved
                    && request.is_written()
                    && entry.record.token() == request.token();
                Ok(if own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) })
            }
            _ => {
                let reservation = request.record().clone();
                let scope = request.id.scope().copied();
                locked.reserve(Slot::reserved(reservation, now, request.lease(), scope), now)?;
                Ok(ReserveOutcome::Won)
            }
        }
    }
}
