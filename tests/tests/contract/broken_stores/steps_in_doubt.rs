//! What can be wrong with calls that wait for their steps.

use std::time::Duration;

use idempotent_core::model::{Record, RecordId, StepEntry, StepId, StepStatus};
use idempotent_core::store::{
    Journal as _, Replaces, StoreError, Suspend, WriteStep, WriteStepOutcome,
};

use super::super::reference_store::Slot;
use super::{BrokenStore, Flaw};

impl BrokenStore {
    fn slot_of(&self, id: &RecordId) -> Option<Slot> {
        self.store.slots().get(id).cloned()
    }

    /// Whether a step is in doubt, apart from one.
    fn is_in_doubt(&self, record: &Record, apart_from: Option<&StepId>) -> bool {
        let journals = self.store.journals();
        let steps = record.journal().and_then(|journal| journals.get(&journal));
        let mut steps = steps.into_iter().flatten().filter(|(step, _)| Some(*step) != apart_from);
        steps.any(|(_, entry)| entry.status() == StepStatus::Begun)
    }

    fn write_over(&self, id: &RecordId, record: Record, due: Option<Duration>) {
        self.change(id, |slot| (slot.record, slot.due) = (record, due));
    }

    /// Settles a step, and what the call does then is wrong.
    pub(super) async fn settle_wrongly(
        &self,
        request: &WriteStep<'_>,
    ) -> Result<WriteStepOutcome, StoreError> {
        let id = request.id;
        let Some(before) = self.slot_of(id).filter(|_| settles(request)) else {
            return self.store.write_step(request).await;
        };
        let waits = before.record.waits_for_steps();
        let is_own = before.record.token() == request.record.token();
        let others_in_doubt = self.is_in_doubt(&before.record, Some(request.step));
        if self.has(Flaw::WriteStepLooksBeforeItWrites) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let written = self.store.write_step(request).await?;
        let settled = before.record.with_steps_settled();
        match self.flaw {
            Flaw::WriteStepNeverEndsTheWait if waits => {
                self.write_over(id, before.record, before.due);
            }
            Flaw::WriteStepNeverEndsItsOwnWait if waits && is_own => {
                self.write_over(id, before.record, before.due);
            }
            Flaw::WriteStepLooksBeforeItWrites if waits && others_in_doubt => {
                self.write_over(id, before.record, before.due);
            }
            Flaw::WriteStepEndsTheWaitAtOnce if waits => {
                self.write_over(id, settled, self.slot_of(id).and_then(|slot| slot.due));
            }
            Flaw::WriteStepEndsEveryWait if before.record.has_journal() && !others_in_doubt => {
                self.write_over(id, resumable(&before.record), before.due);
            }
            Flaw::TheWaitEndsWithoutADueTime => self.change(id, |slot| slot.due = before.due),
            _ => {}
        }
        Ok(written)
    }

    /// Suspends a call whose steps were settled before, and it waits for them.
    pub(super) async fn suspend_in_vain(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.store.suspend(request).await?;
        if request.suspended.waits_for_steps() {
            self.write_over(request.id, request.suspended.clone(), None);
        }
        Ok(())
    }
}

fn settles(request: &WriteStep<'_>) -> bool {
    matches!(request.replaces, Replaces::Entry(_)) && !request.begins && is_settled(request.entry)
}

fn is_settled(entry: &StepEntry) -> bool {
    entry.status() != StepStatus::Begun
}

/// The same call, which waits for nothing.
fn resumable(record: &Record) -> Record {
    let mut bytes = record.as_bytes().to_vec();
    bytes[2] = 3;
    Record::from_bytes(&bytes).expect("it has a journal")
}
