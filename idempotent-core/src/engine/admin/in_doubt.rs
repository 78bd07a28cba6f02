//! Which calls somebody must say something about: indeterminate ones, and suspended ones with a step in doubt.

use super::inspect::Inspection;
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId, StepStatus};
use crate::store::{State, Unreadable};

impl Inspection {
    /// The [steps](Self::steps) that began and of which nobody knows what they did: those of a call that nobody runs.
    /// [`resolve_step`](Idempotency::resolve_step) says of each what became of it.
    pub fn steps_in_doubt(&self) -> impl Iterator<Item = &(StepId, StepEntry)> {
        let is_run = !matches!(self.state(), State::Indeterminate | State::Suspended);
        self.steps().iter().filter(move |(_, step)| !is_run && step.status() == StepStatus::Begun)
    }

    /// Whether somebody must say what the call or a step of it did, before it goes on: it is indeterminate, or it is
    /// suspended, its [steps](Self::steps) are loaded, and one of them is in doubt.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.state() == State::Indeterminate || self.steps_in_doubt().next().is_some()
    }
}

impl Idempotency {
    /// Loads the steps of a call that was found, and keeps it if it is in doubt.
    pub(super) async fn keep_in_doubt(
        &self,
        mut found: Inspection,
        kept: &mut Vec<Inspection>,
        unreadable: &mut Vec<Unreadable>,
    ) -> Result<(), Error> {
        if found.has_journal() {
            match self.steps_of(&found.id, &found.entry.record).await {
                Ok(steps) => found.steps = steps,
                // One such call must not hide all the others.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Incompatible | ErrorKind::NotAuthentic
                    ) =>
                {
                    let why = format!("its steps cannot be read: {}", error.why());
                    unreadable.push(Unreadable::new(
                        Some(found.id.clone()),
                        found.id.to_string(),
                        why,
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        if found.is_in_doubt() {
            kept.push(found);
        }
        Ok(())
    }
}
