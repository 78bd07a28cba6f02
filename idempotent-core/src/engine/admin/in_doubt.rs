//! Which calls somebody must say something about: indeterminate ones, and suspended ones with a step in doubt.

use std::collections::HashMap;

use super::inspect::{Inspection, LOST};
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId, StepStatus};
use crate::store::State;

/// What a step takes of memory beside the bytes of its entry: its place, and what counts its owners.
const PER_STEP: usize = size_of::<(StepId, StepEntry)>() + 2 * size_of::<usize>();

impl Inspection {
    /// The [steps](Self::steps) that began and of which nobody knows what they did: those of a call that nobody runs.
    /// [`resolve_step`](Idempotency::resolve_step) says of each what became of it. A step within one that has ended is not
    /// among them, since no run asks for it any more.
    pub fn steps_in_doubt(&self) -> impl Iterator<Item = &(StepId, StepEntry)> {
        let is_stopped = matches!(self.state(), State::Indeterminate | State::Suspended);
        let steps = if is_stopped { self.steps() } else { &[] };
        asked_for(steps).filter(|(_, step)| step.status() == StepStatus::Begun)
    }

    /// Whether somebody must say what the call or a step of it did, before it goes on: it is indeterminate, or it is
    /// suspended, its [steps](Self::steps) are loaded, and one of them is in doubt or
    /// [none can be read](Self::steps_unread).
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let is_unread = self.state() == State::Suspended && self.steps_unread.is_some();
        self.state() == State::Indeterminate || is_unread || self.steps_in_doubt().next().is_some()
    }

    /// Whether nobody knows what the call itself did, beside its steps: it is indeterminate, and neither
    /// [parked](Self::is_parked) nor waiting for its steps alone. Answers about its steps do not have it go on:
    /// [`resolve`](Idempotency::resolve) does.
    #[must_use]
    pub fn is_itself_in_doubt(&self) -> bool {
        self.state() == State::Indeterminate
            && !self.is_parked()
            && !self.entry.record.waits_for_steps()
    }

    /// Why the call's journal could not be read, if it was [scanned](crate::store::Scan::in_doubt) for steps in doubt: of
    /// which steps they are nobody knows. Do not purge the call for that: a newer version may read them.
    #[must_use]
    pub fn steps_unread(&self) -> Option<&str> {
        self.steps_unread.as_deref()
    }
}

impl Inspection {
    /// What its steps take of memory.
    pub(in crate::engine) fn step_bytes(&self) -> usize {
        let of_step = |(_, step): &(StepId, StepEntry)| PER_STEP + step.as_bytes().len();
        self.steps.iter().map(of_step).sum()
    }

    /// Keeps of the steps of a call that was found all but what they returned, which may be large: a page has many calls.
    fn forget_results(&mut self) {
        for (_, step) in &mut self.steps {
            *step = step.without_result();
        }
    }
}

/// The steps that a run may still ask for: those that are within no other that has ended.
pub(super) fn asked_for(
    steps: &[(StepId, StepEntry)],
) -> impl Iterator<Item = &(StepId, StepEntry)> {
    let all: HashMap<&StepId, &StepEntry> = steps.iter().map(|(step, it)| (step, it)).collect();
    steps.iter().filter(move |(_, entry)| {
        let mut around = entry.part_of();
        // None is within itself.
        for _ in 0..all.len() {
            let Some(outer) = all.get(&around) else { return true };
            if matches!(outer.status(), StepStatus::Recorded | StepStatus::NotKept(_)) {
                return false;
            }
            around = outer.part_of();
        }
        true
    })
}

impl Idempotency {
    /// Loads the steps of a call that was found, and keeps it if it is in doubt and as it was found.
    pub(super) async fn keep_in_doubt(
        &self,
        mut found: Inspection,
        kept: &mut Vec<Inspection>,
    ) -> Result<(), Error> {
        if !found.has_journal() {
            kept.extend(Some(found).filter(Inspection::is_in_doubt));
            return Ok(());
        }
        match self.steps_of(&found.id, &found.entry.record).await {
            Ok(Some(steps)) if steps.is_empty() => found.steps_unread = Some(LOST.to_owned()),
            Ok(Some(steps)) => found.steps = steps,
            Ok(None) => found.steps_unread = Some("the store keeps no journals".to_owned()),
            // One such call must not hide all the others, and it is in doubt as well.
            Err(error)
                if matches!(error.kind(), ErrorKind::Incompatible | ErrorKind::NotAuthentic) =>
            {
                found.steps_unread = Some(error.why().to_owned());
            }
            Err(error) => return Err(error),
        }
        if !found.is_in_doubt() {
            return Ok(());
        }
        found.forget_results();
        // Whoever has taken it since runs the steps that the journal says have begun. A call of which another step was
        // corrected meanwhile is not as it was found, either: the next scan has it.
        let now = self.admin_call(&found.id, self.store().load(&found.id)).await?;
        let is_as_found = now
            .is_some_and(|now| now.state == found.state() && now.record.token() == found.token());
        kept.extend(Some(found).filter(|_| is_as_found));
        Ok(())
    }
}
