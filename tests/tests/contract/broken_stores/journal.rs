//! What can be wrong with journals.

use std::time::Duration;

use idempotent_core::model::{Record, RecordId, StepEntry, StepId, Token};
use idempotent_core::store::{
    CompleteOutcome, Journal, Replaces, Resume, ResumeOutcome, State, StoreError, Suspend,
    WithoutJournal, WriteStep, WriteStepOutcome,
};

use super::super::reference_journal::until;
use super::{BrokenStore, Flaw};

/// The longest entry of a store that cuts them off.
const CUT_AT: usize = 1_000;

impl BrokenStore {
    /// The flaws that are about journals. A store with another one keeps none.
    pub(super) const fn keeps_journals(&self) -> bool {
        self.flaw as usize >= Flaw::WriteStepStartsTheLeaseAnew as usize
    }

    fn stored(&self, id: &RecordId) -> Option<Record> {
        self.store.slots().get(id).map(|slot| slot.record.clone())
    }

    fn is_resumed_without_steps(&self, id: &RecordId) -> bool {
        self.stored(id).is_some_and(|record| record.has_progress() && !record.has_journal())
    }

    /// Whether the request is of somebody who does not know of the journal.
    fn forgets_a_journal(&self, request: &Suspend<'_>) -> bool {
        let token = request.reservation.token();
        !request.suspended.has_journal()
            && self
                .stored(request.id)
                .is_some_and(|record| record.has_journal() && record.token() == token)
    }

    fn state_of(&self, id: &RecordId) -> Option<State> {
        self.found(id).map(|entry| entry.state)
    }

    /// Does something that drops a journal, and keeps it.
    pub(super) async fn keeping_journals<T>(&self, change: impl Future<Output = T>) -> T {
        let journals = self.store.journals().clone();
        let changed = change.await;
        self.store.journals().extend(journals);
        changed
    }

    /// Completes a suspended call of another token.
    pub(super) fn complete_suspended(
        &self,
        id: &RecordId,
        record: &Record,
        ttl: Duration,
    ) -> Option<CompleteOutcome> {
        let suspended = self.state_of(id) == Some(State::Suspended);
        (self.has(Flaw::CompleteOverwritesSuspendedCalls) && suspended).then(|| {
            self.put(id, record, ttl);
            CompleteOutcome::Recorded
        })
    }
}

#[async_trait::async_trait]
impl Journal for BrokenStore {
    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        let store = &self.store;
        let before = self.stored(request.id);
        let is_marked = before.as_ref().is_some_and(Record::has_journal);
        let is_own = before.is_some_and(|record| record.token() == request.record.token());
        let journal = request.record.journal().unwrap_or_else(Token::random);
        let mut asked = *request;
        match self.flaw {
            Flaw::WriteStepStartsTheLeaseAnew => {
                let written = store.write_step(request).await;
                let lease = request.record.lease();
                self.change(request.id, |slot| slot.until = until(store, lease));
                written
            }
            Flaw::WriteStepTruncatesResults if request.entry.as_bytes().len() > CUT_AT => {
                let cut = StepEntry::from_bytes(&request.entry.as_bytes()[..CUT_AT]);
                let cut = cut.expect("its head is shorter");
                asked.entry = &cut;
                store.write_step(&asked).await
            }
            Flaw::WriteStepIgnoresTheToken if !is_own => {
                let mut journals = store.journals();
                let steps = journals.entry(journal).or_default();
                steps.insert(*request.step, request.entry.clone());
                Ok(WriteStepOutcome::Written)
            }
            Flaw::WriteStepTrustsTheMark if request.is_marked && is_own => {
                let mut journals = store.journals();
                let steps = journals.entry(journal).or_default();
                steps.insert(*request.step, request.entry.clone());
                Ok(WriteStepOutcome::Written)
            }
            Flaw::WriteStepNeedsTheLease => {
                asked.begins = !matches!(request.replaces, Replaces::Entry(_));
                store.write_step(&asked).await
            }
            Flaw::WriteStepBeginsAfterTheLease => {
                asked.begins = false;
                store.write_step(&asked).await
            }
            Flaw::WriteStepMarksOnlyFirstRuns if self.is_resumed_without_steps(request.id) => {
                Ok(WriteStepOutcome::Fenced)
            }
            Flaw::WriteStepSettlesNothingLate if !is_own => Ok(WriteStepOutcome::Fenced),
            Flaw::WriteStepReplacesAnything if is_own => {
                asked.replaces = Replaces::Anything;
                store.write_step(&asked).await
            }
            Flaw::WriteStepMarksBeforeItCompares if is_own && !is_marked => {
                let marked = request.record.clone();
                self.change(request.id, |slot| slot.record = marked);
                store.write_step(request).await
            }
            Flaw::WriteStepReplacesTheOthers => {
                let written = store.write_step(request).await;
                let mut journals = store.journals();
                let steps = journals.entry(journal).or_default();
                steps.extend(request.also.iter().cloned());
                written
            }
            Flaw::WriteStepNeverEndsTheWait
            | Flaw::WriteStepNeverEndsItsOwnWait
            | Flaw::WriteStepEndsTheWaitAtOnce
            | Flaw::WriteStepEndsEveryWait
            | Flaw::WriteStepLooksBeforeItWrites
            | Flaw::TheWaitEndsWithoutADueTime => self.settle_wrongly(request).await,
            _ => store.write_step(request).await,
        }
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.store.load_steps(id, journal).await
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        let stored = self.stored(request.id);
        let is_seen = stored.as_ref() == Some(request.seen);
        let has_token = |record: &Record, token| record.token() == token;
        let is_own =
            stored.as_ref().is_some_and(|record| has_token(record, request.record.token()));
        match self.flaw {
            Flaw::ResumeReadsThenWrites
                if is_seen && self.state_of(request.id) == Some(State::Suspended) =>
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
                self.put(request.id, request.record, request.lease);
                Ok(ResumeOutcome::Won)
            }
            Flaw::ResumeGoesByTheToken => {
                let stored = stored.filter(|record| has_token(record, request.seen.token()));
                let mut asked = *request;
                asked.seen = stored.as_ref().unwrap_or(request.seen);
                self.store.resume(&asked).await
            }
            Flaw::ResumeIgnoresTheDueTime => {
                self.store.resume(&request.due_in(request.lease)).await
            }
            Flaw::ResumeRefusesItsOwnToken if is_own => {
                Ok(self.found(request.id).map_or(ResumeOutcome::Gone, ResumeOutcome::Taken))
            }
            _ => self.store.resume(request).await,
        }
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        let mut asked = *request;
        match self.flaw {
            Flaw::SuspendKeepsTheLease => {
                let before = self.store.slots().get(request.id).map(|slot| slot.until);
                self.store.suspend(request).await?;
                self.change(request.id, |slot| slot.until = before.unwrap_or(slot.until));
                Ok(())
            }
            Flaw::SuspendSettlesNothing => {
                asked.settles = &[];
                self.store.suspend(&asked).await
            }
            Flaw::SuspendKeepsTheToken => {
                let mut bytes = request.suspended.as_bytes().to_vec();
                bytes[4..20].copy_from_slice(request.reservation.token().as_bytes());
                let kept = Record::from_bytes(&bytes).expect("it has another token");
                asked.suspended = &kept;
                self.store.suspend(&asked).await
            }
            Flaw::SuspendIgnoresTheDueTime => {
                self.store.suspend(&request.due_in(Some(Duration::ZERO))).await
            }
            Flaw::SuspendFreesResumedCalls => {
                let stored = self.stored(request.id);
                let is_first = stored.is_none_or(|record| record.has_journal());
                if let (WithoutJournal::Release, false) = (request.otherwise, is_first) {
                    self.remove(request.id);
                }
                self.store.suspend(request).await
            }
            Flaw::SuspendForgetsTheJournal if self.forgets_a_journal(request) => {
                let suspended = request.suspended.clone();
                self.change(request.id, |slot| slot.record = suspended);
                Ok(())
            }
            Flaw::SuspendReleasesEverything => {
                asked.otherwise = WithoutJournal::Release;
                self.store.suspend(&asked).await
            }
            Flaw::SuspendWaitsForSettledSteps => self.suspend_in_vain(request).await,
            _ => self.store.suspend(request).await,
        }
    }
}
