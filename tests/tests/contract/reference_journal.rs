//! The journals of the reference store: a map of maps beside the slots.

use std::collections::HashMap;
use std::sync::MutexGuard;
use std::time::Duration;

use idempotent_core::model::{Outcome, Record, RecordId, StepEntry, StepId, StepStatus, Token};
use idempotent_core::store::{
    Clock as _, Journal, Replaces, Resume, ResumeOutcome, State, StoreError, Suspend,
    WithoutJournal, WriteStep, WriteStepOutcome,
};

use super::reference_store::{ReferenceStore, Slot};

/// The steps of each journal.
pub(crate) type Journals = HashMap<Token, HashMap<StepId, StepEntry>>;

impl ReferenceStore {
    pub(crate) fn journals(&self) -> MutexGuard<'_, Journals> {
        self.journals.lock().expect("no method panics")
    }

    /// Drops the journal of a record that goes.
    pub(crate) fn drop_journal(&self, record: &Record) {
        if let Some(journal) = record.journal() {
            self.journals().remove(&journal);
        }
    }
}

#[async_trait::async_trait]
impl Journal for ReferenceStore {
    fn fences_by_suspend(&self) -> bool {
        true
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        let reserved = |slot: &&mut Slot| slot.record.outcome() == Outcome::Reserved;
        let Some(slot) = slots.get_mut(request.id).filter(reserved) else {
            return Ok(WriteStepOutcome::Fenced);
        };
        let has_lease = !request.begins || now < slot.until;
        let is_own = slot.record.token() == request.record.token() && has_lease;
        if is_own && !slot.record.has_journal() {
            if matches!(request.replaces, Replaces::Entry(_)) {
                return Ok(WriteStepOutcome::Conflict);
            }
            slot.record = request.record.clone();
        }
        let journal = request.record.journal().expect("it names one");
        if slot.record.journal() != Some(journal) {
            return Ok(WriteStepOutcome::Fenced);
        }
        let mut journals = self.journals();
        let steps = journals.entry(journal).or_default();
        let there = steps.get(request.step);
        if there == Some(request.entry) {
            return Ok(WriteStepOutcome::Written);
        }
        let may_replace = match (request.replaces, there) {
            (Replaces::Nothing, there) => there.is_none(),
            (Replaces::Anything, _) => true,
            (Replaces::Entry(seen), there) => there == Some(seen),
        };
        let settles =
            matches!(request.replaces, Replaces::Entry(_)) && !request.begins && may_replace;
        if !(is_own || settles) {
            return Ok(WriteStepOutcome::Fenced);
        }
        if !may_replace {
            return Ok(WriteStepOutcome::Conflict);
        }
        steps.insert(*request.step, request.entry.clone());
        for (step, entry) in request.also {
            steps.entry(*step).or_insert_with(|| entry.clone());
        }
        end_wait_for_steps(slot, steps, now);
        Ok(WriteStepOutcome::Written)
    }

    async fn load_steps(
        &self,
        _id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        Ok(self.journals().get(&journal).cloned().unwrap_or_default().into_iter().collect())
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        match slots.get(request.id).and_then(|slot| slot.entry(now)) {
            Some(entry) if entry.state == State::Suspended && entry.record == *request.seen => {
                let mut slot = self.slot(request.record, request.lease);
                slot.due = slot.due.map(|_| now.saturating_add(request.due_in));
                slots.insert(request.id.clone(), slot);
                Ok(ResumeOutcome::Won)
            }
            Some(entry)
                if entry.state == State::Reserved
                    && entry.record.token() == request.record.token() =>
            {
                Ok(ResumeOutcome::Won)
            }
            Some(entry) => Ok(ResumeOutcome::Taken(entry)),
            None => Ok(ResumeOutcome::Gone),
        }
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        let own = slots.get_mut(request.id).filter(|slot| {
            slot.record.outcome() == Outcome::Reserved
                && slot.record.token() == request.reservation.token()
        });
        let Some(slot) = own else { return Ok(()) };
        let journal = slot.record.journal();
        match (journal, request.otherwise) {
            // Whoever knows of no journal leaves one alone.
            (Some(_), _) if !request.suspended.has_journal() => return Ok(()),
            (Some(_), _) => slot.record = request.suspended.clone(),
            (None, WithoutJournal::Abandon(record)) => slot.record = record.clone(),
            (None, WithoutJournal::Release) if slot.record.has_progress() => {}
            (None, WithoutJournal::Release) => {
                slots.remove(request.id);
                return Ok(());
            }
        }
        if request.ends_lease() {
            slot.until = slot.until.min(now);
        }
        slot.due = request.due_in.map(|due_in| now.saturating_add(due_in));
        slot.due = slot.due.filter(|_| slot.record.has_input());
        let mut journals = self.journals();
        if let Some(steps) = journal.and_then(|journal| journals.get_mut(&journal)) {
            for (step, seen, entry) in request.settles {
                if let Some(there) = steps.get_mut(step).filter(|there| *there == seen) {
                    *there = entry.clone();
                }
            }
            end_wait_for_steps(slot, steps, now);
        }
        Ok(())
    }
}

/// Suspends a call that waits for its steps, if none is in doubt any more.
fn end_wait_for_steps(slot: &mut Slot, steps: &HashMap<StepId, StepEntry>, now: Duration) {
    let in_doubt = steps.values().any(|entry| entry.status() == StepStatus::Begun);
    if slot.record.waits_for_steps() && !in_doubt {
        slot.record = slot.record.with_steps_settled();
        slot.due = slot.record.has_input().then_some(now);
    }
}

/// The lease of a slot, shortened or prolonged.
pub(crate) fn until(store: &ReferenceStore, by: Duration) -> Duration {
    store.clock.now().saturating_add(by)
}
