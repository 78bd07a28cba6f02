//! The reference store with one thing wrong: what its author got wrong in one method.
//!
//! Each method asks first whether its flaw makes it answer wrongly, and is right otherwise.

mod abandon;
mod complete;
mod correct;
mod due;
mod journal;
mod read;
mod renew_release;
mod reserve;
mod scopes;
mod steps_in_doubt;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use idempotent_core::model::{Record, RecordId, ScopeId, Token};
use idempotent_core::store::{
    Abandon, Clock, Complete, CompleteOutcome, Correct, CorrectOutcome, DueCalls, Entry, Journal,
    LocalStore, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, ScopeUse, State,
    Store, StoreError, Wait,
};

use super::reference_store::{ReferenceStore, Slot};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    HandlesShareNothing,

    ReserveReadsThenWrites,
    ReserveExtendsItsOwnLease,
    ReserveRefusesItsOwnToken,
    ReserveWinsItsOwnLapsedTokenForNothing,
    ReserveWinsItsOwnResult,
    ReserveAnswersFromAJournal,
    ReserveNeverTakesOver,
    ReserveForgetsIndeterminate,
    ReserveGoesByTheNewcomersGuarantee,
    ReserveHalvesTheLease,
    ReserveTellsTheWholeLease,
    ReserveEvictsWhenFull,
    ReserveDropsTheKeysText,
    ReserveRefusesLongNames,

    RenewIgnoresTheToken,
    RenewMovesACompletedRecordsEnd,
    RenewRevivesTheLapsed,
    RenewWritesWhereNothingStands,
    RenewReadsThenWrites,
    RenewAddsToTheLease,
    RenewRepeatsTheFirstLease,

    CompleteReadsThenWrites,
    CompleteOverwritesASuccessor,
    CompleteOverwritesAnothersResult,
    CompleteOverwritesItself,
    CompleteRefusesVacantIds,
    CompleteRefusesTheLateOwner,
    CompleteRefusesWhoeverAsks,
    CompleteNeverRefuses,
    CompleteKeepsTheLeasesEnd,
    CompleteWrapsEndlessTtls,
    CompleteDropsEmptyResults,
    CompleteTruncatesResults,
    CompleteEndsResultsAtANul,
    CompleteRefusesTombstones,
    CompleteWritesInTwoSteps,

    ReleaseDoesNothing,
    ReleaseIgnoresTheToken,
    ReleaseDeletesCompletedRecords,
    ReleaseFreesTheIndeterminate,
    ReleaseNeverFreesTheIndeterminate,
    ReleaseLeavesATrace,
    ReleaseRemovesInTwoSteps,

    AbandonDoesNothing,
    AbandonIgnoresTheToken,
    AbandonEndsEveryLease,
    AbandonStartsTheLeaseAnew,
    AbandonTouchesCompletedRecords,
    AbandonWritesWhereNothingStands,
    AbandonKeepsTheGuarantee,
    AbandonFreesTheId,
    AbandonIsFinal,

    WaitNeverWakes,
    WaitIgnoresItsTimeout,
    WaitIgnoresTheToken,

    LocalShowsRunningCalls,
    LocalOutlivesTheTtl,

    LoadExtends,
    LoadTellsTheWholeLease,
    LoadForgetsTheLapsed,

    PurgeDoesNothing,
    PurgeAlwaysFinds,

    CorrectDoesNothing,
    CorrectGoesByTheToken,
    CorrectRefusesItself,
    CorrectKeepsTheEnd,
    CorrectTouchesReservations,
    CorrectWritesWhereNothingStands,

    ScanLosesTheLastPage,
    ScanCountsWhatItHasShown,
    ScanIgnoresTheOperation,
    ScanMatchesPrefixes,
    ScanNeedsAnOperation,
    ScanIgnoresTheStates,
    ScanTellsOneState,
    ScanSkipsTheUnreadable,

    ScopeUseCountsEveryScope,
    ScopeUseCountsWhatHasExpired,
    ScopeUseTellsNoBytes,
    ScopeUseForgetsTheIndeterminate,
    ScopeUseMissesLateResults,

    // From here on those about journals.
    WriteStepStartsTheLeaseAnew,
    WriteStepTruncatesResults,
    WriteStepIgnoresTheToken,
    WriteStepNeedsTheLease,
    WriteStepBeginsAfterTheLease,
    WriteStepSettlesNothingLate,
    WriteStepReplacesAnything,
    WriteStepReplacesTheOthers,
    WriteStepMarksBeforeItCompares,
    ResumeReadsThenWrites,
    ResumeRefusesItsOwnToken,
    SuspendKeepsTheLease,
    SuspendSettlesNothing,
    SuspendKeepsTheToken,
    SuspendReleasesEverything,
    SuspendForgetsTheJournal,
    ReserveWinsOverAJournal,
    ReserveKeepsTheOldJournal,
    ReleaseFreesAJournal,
    RenewShortensTheRetention,
    CompleteKeepsTheJournal,
    CompleteOverwritesSuspendedCalls,
    PurgeKeepsTheJournal,
    WriteStepTrustsTheMark,
    WriteStepNeverEndsTheWait,
    WriteStepNeverEndsItsOwnWait,
    WriteStepEndsTheWaitAtOnce,
    WriteStepEndsEveryWait,
    WriteStepLooksBeforeItWrites,
    SuspendWaitsForSettledSteps,

    // And those about calls that are due.
    ReserveWinsOverAnInput,
    DueTellsOfRunningCalls,
    DueTellsOfNothing,
    DueIgnoresTheOperations,
    DueIgnoresTheOrder,
    DueIgnoresTheLimit,
    DueLeavesOutTooLate,
    DueIgnoresTheParts,
    ResumeIgnoresTheDueTime,
    SuspendIgnoresTheDueTime,
    CompleteKeepsTheDueTime,
    SuspendFreesResumedCalls,
    WriteStepMarksOnlyFirstRuns,
    ResumeGoesByTheToken,
    TheWaitEndsWithoutADueTime,
}

#[derive(Clone)]
pub(crate) struct BrokenStore {
    pub(crate) store: ReferenceStore,
    pub(crate) flaw: Flaw,
    /// Every token that ever won.
    journal: Arc<Mutex<HashSet<Token>>>,
}

impl BrokenStore {
    pub(crate) fn new(flaw: Flaw, store: ReferenceStore) -> Self {
        Self { store, flaw, journal: Arc::default() }
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn found(&self, id: &RecordId) -> Option<Entry> {
        let now = self.store.clock.now();
        self.store.slots().get(id).and_then(|slot| slot.entry(now))
    }

    /// Writes a record, whatever stands there.
    fn put(&self, id: &RecordId, record: &Record, holds: Duration) {
        let slot = self.store.slot(record, holds);
        self.store.slots().insert(id.clone(), slot);
    }

    /// Changes what is kept under an id, if anything is.
    fn change(&self, id: &RecordId, change: impl FnOnce(&mut Slot)) {
        if let Some(slot) = self.store.slots().get_mut(id) {
            change(slot);
        }
    }

    fn journal(&self) -> MutexGuard<'_, HashSet<Token>> {
        self.journal.lock().expect("no method panics")
    }

    fn remove(&self, id: &RecordId) {
        self.store.slots().remove(id);
    }
}

impl LocalStore for BrokenStore {
    fn completed(&self, id: &RecordId) -> Option<Entry> {
        self.completed_wrongly(id)
    }
}

#[async_trait::async_trait]
impl Store for BrokenStore {
    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let found = self.found(request.id).map(|entry| entry.state);
        if self.has(Flaw::ReserveWinsOverAJournal) && found == Some(State::Suspended) {
            self.put(request.id, request.record(), request.lease());
            return Ok(ReserveOutcome::Won);
        }
        let stands = self.store.slots().get(request.id).is_some_and(|slot| slot.record.has_input());
        if self.has(Flaw::ReserveWinsOverAnInput) && stands && found == Some(State::Suspended) {
            self.put(request.id, request.record(), request.lease());
            return Ok(ReserveOutcome::Won);
        }
        if self.has(Flaw::ReserveKeepsTheOldJournal) {
            return self.keeping_journals(self.store.reserve(request)).await;
        }
        match self.reserve_wrongly(request).await {
            Some(answer) => answer,
            None => self.store.reserve(request).await,
        }
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        if self.has(Flaw::RenewShortensTheRetention) {
            self.change(request.id, |slot| {
                if let Some(journal) = slot.record.journal() {
                    slot.record = slot.record.with_journal(journal, Duration::from_secs(1));
                }
            });
        }
        match self.renew_wrongly(request).await {
            Some(outcome) => Ok(outcome),
            None => self.store.renew(request).await,
        }
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        if self.has(Flaw::CompleteKeepsTheJournal) {
            return self.keeping_journals(self.store.complete(request)).await;
        }
        if self.has(Flaw::CompleteKeepsTheDueTime) {
            let due = self.store.slots().get(request.id).and_then(|slot| slot.due);
            let completed = self.store.complete(request).await;
            self.change(request.id, |slot| slot.due = due);
            return completed;
        }
        if let Some(wrong) = self.complete_suspended(request.id, request.record, request.ttl) {
            return Ok(wrong);
        }
        match self.complete_wrongly(request).await {
            Some(outcome) => Ok(outcome),
            None => self.store.complete(request).await,
        }
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let own = self.store.slots().get(request.id).is_some_and(|slot| {
            slot.record.has_journal() && slot.record.token() == request.reservation.token()
        });
        if self.has(Flaw::ReleaseFreesAJournal) && own {
            self.remove(request.id);
            return Ok(());
        }
        match self.release_wrongly(request).await {
            Some(()) => Ok(()),
            None => self.store.release(request).await,
        }
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        match self.abandon_wrongly(request) {
            Some(()) => Ok(()),
            None => self.store.abandon(request).await,
        }
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        match self.wait_wrongly(request).await {
            Some(()) => Ok(()),
            None => self.store.wait(request).await,
        }
    }

    fn journal(&self) -> Option<&dyn Journal> {
        self.keeps_journals().then_some(self as &dyn Journal)
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        self.keeps_due_times().then_some(self as &dyn DueCalls)
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        let found = self.store.load(id).await?;
        Ok(found.and_then(|entry| self.load_wrongly(id, entry)))
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        if self.has(Flaw::PurgeDoesNothing) {
            return Ok(self.found(id).is_some());
        }
        if self.has(Flaw::PurgeKeepsTheJournal) {
            return self.keeping_journals(self.store.purge(id)).await;
        }
        let found = self.store.purge(id).await?;
        Ok(found || self.has(Flaw::PurgeAlwaysFinds))
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        match self.correct_wrongly(request) {
            Some(outcome) => Ok(outcome),
            None => self.store.correct(request).await,
        }
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.scan_wrongly(request.clone()).await
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        let found = self.store.scope_use(scope, up_to).await?;
        Ok(found.map(|found| self.count_wrongly(scope, found)))
    }
}
