//! What can be wrong with reserving.

use idempotent_core::Guarantee;
use idempotent_core::model::{Envelope, Record};
use idempotent_core::store::{
    Entry, Reserve, ReserveOutcome, State, Store, StoreError, StoreErrorKind,
};
use tokio::task::yield_now;

use super::{BrokenStore, Flaw};

type Answer = Result<ReserveOutcome, StoreError>;

impl BrokenStore {
    pub(super) async fn reserve_wrongly(&self, request: &Reserve<'_>) -> Option<Answer> {
        let found = self.found(request.id);
        if let Some(entry) = found.filter(|entry| entry.state != State::Lapsed) {
            return self.reserve_taken_wrongly(request, entry).map(Ok);
        }
        let own = |entry: &Entry| entry.record.token() == request.token();
        match self.flaw {
            Flaw::ReserveReadsThenWrites => {
                yield_now().await;
                self.remove(request.id);
                None
            }
            Flaw::ReserveWinsItsOwnLapsedTokenForNothing => {
                let found = self.found(request.id);
                found.filter(own).map(|_| Ok(ReserveOutcome::Won))
            }
            Flaw::ReserveAnswersFromAJournal => {
                let known = !self.journal().insert(request.token());
                known.then_some(Ok(ReserveOutcome::Won))
            }
            Flaw::ReserveNeverTakesOver => {
                let mut entry = self.found(request.id)?;
                entry.state = State::Reserved;
                Some(Ok(ReserveOutcome::Taken(entry)))
            }
            Flaw::ReserveHalvesTheLease => {
                let answer = self.store.reserve(request).await;
                if let Ok(ReserveOutcome::Won) = answer {
                    let early = request.lease() / 2;
                    self.change(request.id, |slot| slot.until = slot.until.saturating_sub(early));
                }
                Some(answer)
            }
            Flaw::ReserveDropsTheKeysText => {
                request.record().key()?;
                let record = without_key(request.record());
                self.put(request.id, &record, request.lease());
                Some(Ok(ReserveOutcome::Won))
            }
            Flaw::ReserveRefusesLongNames if request.id.operation().len() > 100 => {
                let kind = StoreErrorKind::Unavailable;
                Some(Err(StoreError::new(kind, "value too long for the column")))
            }
            Flaw::ReserveEvictsWhenFull => {
                let answer = self.store.reserve(request).await;
                if answer.is_err() {
                    self.store.slots().clear();
                    return None;
                }
                Some(answer)
            }
            _ => None,
        }
    }

    fn reserve_taken_wrongly(
        &self,
        request: &Reserve<'_>,
        mut entry: Entry,
    ) -> Option<ReserveOutcome> {
        let own = entry.record.token() == request.token();
        let newcomer = request.record().guarantee();
        match (self.flaw, entry.state) {
            (Flaw::ReserveRefusesItsOwnToken, State::Reserved) if own => {
                Some(ReserveOutcome::Taken(entry))
            }
            (Flaw::ReserveTellsTheWholeLease, State::Reserved) if !own => {
                entry.remaining = Some(entry.record.lease());
                Some(ReserveOutcome::Taken(entry))
            }
            (Flaw::ReserveAnswersFromAJournal, _) if self.journal().contains(&request.token()) => {
                Some(ReserveOutcome::Won)
            }
            (Flaw::ReserveWinsItsOwnResult, State::Completed) if own => Some(ReserveOutcome::Won),
            (Flaw::ReserveExtendsItsOwnLease, State::Reserved) if own => self.win(request),
            (Flaw::ReserveForgetsIndeterminate, State::Indeterminate) => self.win(request),
            (Flaw::ReserveGoesByTheNewcomersGuarantee, State::Indeterminate)
                if newcomer == Guarantee::AtLeastOnce =>
            {
                self.win(request)
            }
            _ => None,
        }
    }

    fn win(&self, request: &Reserve<'_>) -> Option<ReserveOutcome> {
        self.put(request.id, request.record(), request.lease());
        Some(ReserveOutcome::Won)
    }
}

/// The same reservation, without the text of its key.
fn without_key(record: &Record) -> Record {
    let mut envelope = Envelope::new(record.operation());
    envelope.guarantee = record.guarantee();
    envelope.fingerprint = record.fingerprint();
    envelope.version = record.version();
    envelope.lease = record.lease();
    envelope.retention = record.retention();
    Record::reserved(&envelope, record.token())
}
