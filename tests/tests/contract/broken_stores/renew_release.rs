//! What can be wrong with renewing and releasing.

use idempotent_core::model::{Envelope, Record, Token};
use idempotent_core::store::{Clock, Release, Renew, RenewOutcome, State};
use tokio::task::yield_now;

use super::super::reference_store::Slot;
use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) async fn renew_wrongly(&self, request: &Renew<'_>) -> Option<RenewOutcome> {
        let until = self.store.clock.now().saturating_add(request.lease);
        let renewed = || {
            self.change(request.id, |slot| slot.until = until);
            Some(RenewOutcome::Renewed)
        };
        let Some(found) = self.found(request.id) else {
            let writes = self.has(Flaw::RenewWritesWhereNothingStands);
            writes.then(|| self.put(request.id, request.reservation, request.lease))?;
            return Some(RenewOutcome::Renewed);
        };
        let own = found.record.token() == request.reservation.token();
        match (self.flaw, found.state) {
            (Flaw::RenewIgnoresTheToken, State::Reserved) => renewed(),
            (Flaw::RenewMovesACompletedRecordsEnd, State::Completed)
            | (Flaw::RenewRevivesTheLapsed, State::Lapsed | State::Indeterminate)
                if own =>
            {
                renewed()
            }
            (Flaw::RenewReadsThenWrites, State::Reserved) if own => {
                yield_now().await;
                self.put(request.id, request.reservation, request.lease);
                Some(RenewOutcome::Renewed)
            }
            (Flaw::RenewAddsToTheLease, State::Reserved) if own => {
                let add = |slot: &mut Slot| slot.until = slot.until.saturating_add(request.lease);
                self.change(request.id, add);
                Some(RenewOutcome::Renewed)
            }
            (Flaw::RenewRepeatsTheFirstLease, State::Reserved) if own => {
                let first = self.store.slot(request.reservation, request.reservation.lease());
                self.change(request.id, |slot| slot.until = first.until);
                Some(RenewOutcome::Renewed)
            }
            _ => None,
        }
    }

    pub(super) async fn release_wrongly(&self, request: &Release<'_>) -> Option<()> {
        let Some(found) = self.found(request.id) else {
            let lease = request.reservation.lease();
            let leaves = self.has(Flaw::ReleaseLeavesATrace);
            return leaves.then(|| self.put(request.id, request.reservation, lease));
        };
        let own = found.record.token() == request.reservation.token();
        match (self.flaw, found.state) {
            (Flaw::ReleaseIgnoresTheToken, State::Reserved) => {
                self.remove(request.id);
                Some(())
            }
            (Flaw::ReleaseDeletesCompletedRecords, State::Completed)
            | (Flaw::ReleaseFreesTheIndeterminate, State::Indeterminate)
                if own =>
            {
                self.remove(request.id);
                Some(())
            }
            (Flaw::ReleaseDoesNothing, _)
            | (Flaw::ReleaseNeverFreesTheIndeterminate, State::Indeterminate) => Some(()),
            (Flaw::ReleaseRemovesInTwoSteps, State::Reserved) if own => {
                let mark = Envelope::new(found.record.operation());
                let mark = Record::reserved(&mark, Token::random());
                self.change(request.id, |slot| slot.record = mark);
                yield_now().await;
                self.remove(request.id);
                Some(())
            }
            _ => None,
        }
    }
}
