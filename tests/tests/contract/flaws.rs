//! The reference store with one thing wrong: what its author got wrong in one method.

use std::time::Duration;

use idempotent_core::Guarantee;
use idempotent_core::record::{NotKept, Outcome, Record, RecordId};
use idempotent_core::store::{
    Clock, Complete, CompleteOutcome, Cursor, Entry, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, State, Store, StoreError, Vacant, Wait,
};
use tokio::task::yield_now;

use super::reference::{ReferenceStore, Slot};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    ReserveReadsThenWrites,
    ReserveExtendsItsOwnLease,
    ReserveRefusesItsOwnToken,
    ReserveForgetsIndeterminate,
    ReserveGoesByTheNewcomersGuarantee,
    ReserveTellsTheWholeLease,
    ReserveEvictsWhenFull,
    RenewIgnoresTheToken,
    RenewMovesACompletedRecordsEnd,
    RenewRevivesTheLapsed,
    RenewAddsToTheLease,
    CompleteReadsThenWrites,
    CompleteOverwritesASuccessor,
    CompleteRefusesVacantIds,
    CompleteNeverRefuses,
    CompleteOverwritesItself,
    CompleteKeepsTheLeasesEnd,
    CompleteDropsEmptyResults,
    CompleteTruncatesResults,
    CompleteRefusesTombstones,
    ReleaseIgnoresTheToken,
    ReleaseDeletesCompletedRecords,
    ReleaseFreesTheIndeterminate,
    ReleaseNeverFreesTheIndeterminate,
    WaitNeverWakes,
    WaitIgnoresItsTimeout,
    WaitIgnoresTheToken,
    LoadExtends,
    LoadTellsTheWholeLease,
    PurgeDoesNothing,
    PurgeAlwaysFinds,
    ScanLosesTheLastPage,
    ScanCountsWhatItHasShown,
    ScanIgnoresTheOperation,
    ScanMatchesPrefixes,
    ScanIgnoresTheStates,
}

#[derive(Clone)]
pub(crate) struct Broken {
    pub(crate) store: ReferenceStore,
    pub(crate) flaw: Flaw,
}

impl Broken {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// Writes a record, whatever stands there.
    fn put(&self, id: &RecordId, record: &Record, holds: Duration) {
        let slot = self.store.slot(record, holds);
        self.store.slots().insert(id.clone(), slot);
    }

    fn found(&self, id: &RecordId) -> Option<Entry> {
        let now = self.store.clock.now();
        self.store.slots().get(id).and_then(|slot| slot.entry(now))
    }

    /// Changes the slot of an id, if there is one.
    fn change(&self, id: &RecordId, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.store.slots().get_mut(id) {
            change(slot);
        }
    }

    fn reserve_wrongly(&self, request: &Reserve<'_>, found: &Entry) -> Option<ReserveOutcome> {
        let own = found.record.token() == request.token();
        let won = || {
            self.put(request.id, request.record(), request.lease());
            Some(ReserveOutcome::Won)
        };
        match (self.flaw, found.state) {
            (Flaw::ReserveExtendsItsOwnLease, State::Reserved) if own => won(),
            (Flaw::ReserveRefusesItsOwnToken, State::Reserved) if own => {
                Some(ReserveOutcome::Taken(found.clone()))
            }
            (Flaw::ReserveTellsTheWholeLease, State::Reserved) if !own => {
                let mut entry = found.clone();
                entry.remaining = Some(entry.record.lease());
                Some(ReserveOutcome::Taken(entry))
            }
            (Flaw::ReserveForgetsIndeterminate, State::Indeterminate) => won(),
            (Flaw::ReserveGoesByTheNewcomersGuarantee, State::Indeterminate)
                if request.record().guarantee() == Guarantee::AtLeastOnce =>
            {
                won()
            }
            _ => None,
        }
    }

    /// A page that starts so many records from the first, however many have gone since.
    async fn scan_by_offset(&self, mut request: Scan) -> Result<Page, StoreError> {
        let shown = request.cursor.take();
        let shown: usize = shown.map_or(0, |Cursor(shown)| {
            shown.parse().expect("the cursor is our own")
        });
        let limit = std::mem::replace(&mut request.limit, usize::MAX);
        let mut page = self.store.scan(&request).await?;
        page.entries.drain(..shown.min(page.entries.len()));
        let rest = page.entries.len() > limit;
        page.entries.truncate(limit);
        page.next = rest.then(|| Cursor((shown + limit).to_string()));
        Ok(page)
    }

    fn complete_wrongly(&self, request: &Complete<'_>) -> Option<CompleteOutcome> {
        let found = self.found(request.id);
        let state = found.as_ref().map(|entry| entry.state);
        let own = found
            .as_ref()
            .is_some_and(|entry| entry.record.token() == request.reservation.token());
        let payload = match request.record.outcome() {
            Outcome::Kept(payload) => Some(payload),
            _ => None,
        };
        let recorded = |record: &Record, ttl: Duration| {
            self.put(request.id, record, ttl);
            Some(CompleteOutcome::Recorded)
        };
        match (self.flaw, state) {
            (Flaw::CompleteOverwritesASuccessor, Some(State::Reserved)) => {
                recorded(request.record, request.ttl)
            }
            (Flaw::CompleteRefusesVacantIds, None | Some(State::Lapsed)) => {
                Some(CompleteOutcome::Gone)
            }
            (Flaw::CompleteOverwritesItself, Some(State::Completed)) if own => {
                recorded(request.record, request.ttl)
            }
            (Flaw::CompleteKeepsTheLeasesEnd, Some(State::Reserved)) if own => {
                self.change(request.id, |slot| slot.record = request.record.clone());
                Some(CompleteOutcome::Recorded)
            }
            (Flaw::CompleteDropsEmptyResults, Some(State::Reserved))
                if own && payload == Some(b"") =>
            {
                self.store.slots().remove(request.id);
                Some(CompleteOutcome::Recorded)
            }
            (Flaw::CompleteTruncatesResults, Some(State::Reserved)) if own => {
                let kept = payload.filter(|payload| payload.len() > 1 << 16)?;
                let record = request.reservation.completed(&kept[..1 << 16]);
                recorded(&record, request.ttl)
            }
            (Flaw::CompleteRefusesTombstones, Some(State::Reserved))
                if request.record.outcome() == Outcome::NotKept(NotKept::TooLarge) =>
            {
                Some(CompleteOutcome::Gone)
            }
            _ => None,
        }
    }
}

#[async_trait::async_trait]
impl Store for Broken {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let found = self.found(request.id);
        let vacant = found
            .as_ref()
            .is_none_or(|entry| entry.state == State::Lapsed);
        if self.has(Flaw::ReserveReadsThenWrites) && vacant {
            yield_now().await;
            self.store.slots().remove(request.id);
            return self.store.reserve(request).await;
        }
        if let Some(outcome) = found.and_then(|found| self.reserve_wrongly(request, &found)) {
            return Ok(outcome);
        }
        let outcome = self.store.reserve(request).await;
        if outcome.is_err() && self.has(Flaw::ReserveEvictsWhenFull) {
            self.store.slots().clear();
            return self.store.reserve(request).await;
        }
        outcome
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        let Some(found) = self.found(request.id) else {
            return self.store.renew(request).await;
        };
        let own = found.record.token() == request.reservation.token();
        let now = self.store.clock.now();
        let wrong = match (self.flaw, found.state) {
            (Flaw::RenewIgnoresTheToken, State::Reserved) => true,
            (Flaw::RenewMovesACompletedRecordsEnd, State::Completed)
            | (Flaw::RenewRevivesTheLapsed, State::Lapsed | State::Indeterminate) => own,
            _ => false,
        };
        if wrong {
            let until = now.saturating_add(request.lease);
            self.change(request.id, |slot| slot.until = until);
            return Ok(RenewOutcome::Renewed);
        }
        let before = found.remaining.unwrap_or_default();
        let outcome = self.store.renew(request).await?;
        if self.has(Flaw::RenewAddsToTheLease) && outcome == RenewOutcome::Renewed {
            let later = |slot: &mut Slot| slot.until = slot.until.saturating_add(before);
            self.change(request.id, later);
        }
        Ok(outcome)
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        if let Some(outcome) = self.complete_wrongly(request) {
            return Ok(outcome);
        }
        let vacant = match self.flaw {
            Flaw::CompleteNeverRefuses => Vacant::Record,
            _ => request.vacant,
        };
        let stands = self
            .found(request.id)
            .is_some_and(|e| e.state != State::Lapsed);
        if self.has(Flaw::CompleteReadsThenWrites) && !stands && vacant == Vacant::Record {
            yield_now().await;
            self.put(request.id, request.record, request.ttl);
            return Ok(CompleteOutcome::Recorded);
        }
        self.store.complete(&request.vacant(vacant)).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let found = self.found(request.id);
        let state = found.as_ref().map(|entry| entry.state);
        let own = found.is_some_and(|e| e.record.token() == request.reservation.token());
        let wrong = match (self.flaw, state) {
            (Flaw::ReleaseIgnoresTheToken, Some(State::Reserved)) => true,
            (Flaw::ReleaseDeletesCompletedRecords, Some(State::Completed))
            | (Flaw::ReleaseFreesTheIndeterminate, Some(State::Indeterminate)) => own,
            _ => false,
        };
        if wrong {
            self.store.slots().remove(request.id);
        }
        let mut request = *request;
        request.indeterminate &= !self.has(Flaw::ReleaseNeverFreesTheIndeterminate);
        self.store.release(&request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        let mut request = *request;
        match self.flaw {
            Flaw::WaitNeverWakes => {
                tokio::time::sleep(request.timeout.min(Duration::from_secs(3600))).await;
                return Ok(());
            }
            Flaw::WaitIgnoresItsTimeout => request.timeout = Duration::MAX,
            Flaw::WaitIgnoresTheToken => {
                if let Some(entry) = self.found(request.id) {
                    request.token = entry.record.token();
                }
            }
            _ => {}
        }
        self.store.wait(&request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        let mut found = self.found(id);
        if let Some(entry) = &mut found {
            let lease = entry.record.lease();
            if self.has(Flaw::LoadExtends) && entry.state == State::Reserved {
                self.put(id, &entry.record, lease);
            }
            if self.has(Flaw::LoadTellsTheWholeLease) {
                entry.remaining = Some(lease);
            }
        }
        Ok(found)
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        if self.has(Flaw::PurgeDoesNothing) {
            return Ok(self.found(id).is_some());
        }
        let found = self.store.purge(id).await?;
        Ok(found || self.has(Flaw::PurgeAlwaysFinds))
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        let mut request = request.clone();
        let operation = request.operation.clone().unwrap_or_default();
        if self.has(Flaw::ScanIgnoresTheOperation) || self.has(Flaw::ScanMatchesPrefixes) {
            request.operation = None;
        }
        if self.has(Flaw::ScanIgnoresTheStates) {
            request.states.clear();
        }
        if self.has(Flaw::ScanCountsWhatItHasShown) {
            return self.scan_by_offset(request).await;
        }
        let mut page = self.store.scan(&request).await?;
        if self.has(Flaw::ScanMatchesPrefixes) {
            page.entries
                .retain(|(id, _)| id.operation().starts_with(&operation));
        }
        if self.has(Flaw::ScanLosesTheLastPage) && request.cursor.is_some() && page.next.is_none() {
            page.entries.clear();
        }
        Ok(page)
    }
}
