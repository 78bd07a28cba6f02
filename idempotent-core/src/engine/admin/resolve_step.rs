//! Saying what a step turned out to be of which nobody knows what it did.

use std::time::Duration;

use super::inspect::Inspection;
use super::moved_on::moved_on;
use super::resolution::{Resolution, Said, not_applied};
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, Record, StepEntry, StepId, StepStatus, Token};
use crate::store::{State, Suspend};

impl Idempotency {
    /// Says what a step turned out to be that began and of which nobody knows what it did: a step that is *at most once*.
    /// Once no step of the call is in doubt, the call is suspended, and goes on from there.
    ///
    /// The resolution says that the step [returned a value](Resolution::completed), which the next run gets in the place
    /// of running it; or that it [did not happen](Resolution::never_happened_and_owner_is_dead), so that the next run runs
    /// it. It acts only on what was [inspected](Self::inspect): a step that has changed since, for example because its
    /// late owner has settled it, stays as it is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, engine::Resolution};
    /// use idempotent_core::model::StepStatus;
    /// # use idempotent_core::store::Scan;
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for found in engine.scan(&Scan::indeterminate()).await?.entries {
    ///     let Some(seen) = engine.inspect(found.id()).await? else { continue };
    ///     let in_doubt = seen.steps().iter().find(|(_, step)| step.status() == StepStatus::Begun);
    ///     if let Some((step, entry)) = in_doubt {
    ///         let resolution = match ask_the_gateway(entry.key()) {
    ///             Some(receipt) => Resolution::completed(receipt),
    ///             None => Resolution::never_happened_and_owner_is_dead(),
    ///         };
    ///         engine.resolve_step(&seen, step, resolution).await?;
    ///     }
    /// }
    /// # fn ask_the_gateway(_: Option<&str>) -> Option<String> { None }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Misconfigured`] if the inspection has no such step, or one that is not in doubt.
    /// * [`ErrorKind::InProgress`] if the call runs.
    /// * [`ErrorKind::Indeterminate`] if the record or the step has changed since it was inspected.
    /// * [`ErrorKind::Encode`] if the value cannot be encoded or exceeds the engine's limit.
    /// * [`ErrorKind::Incompatible`] if the resolution is [of another version](Resolution::of_version) than the step.
    /// * [`ErrorKind::Store`] if the store fails.
    pub async fn resolve_step(
        &self,
        seen: &Inspection,
        step: &StepId,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let refused = |kind, why: &'static str| Err(not_applied(kind, id).detail(why));
        let found = seen.steps.iter().find(|(known, _)| known == step);
        let (Some(journal), Some((_, entry))) = (record.journal(), found) else {
            return refused(ErrorKind::Misconfigured, "the inspection has no such step");
        };
        if entry.status() != StepStatus::Begun {
            return refused(ErrorKind::Misconfigured, "nobody doubts what the step did");
        }
        if !matches!(seen.state(), State::Indeterminate | State::Suspended) {
            return refused(ErrorKind::InProgress, "the call runs, and may know itself");
        }
        let said = self.said_of_step(seen, entry, resolution)?;
        let said = match self.0.authenticity.sealing_key() {
            Some(key) => said.sealed(journal, step, key),
            None => said,
        };
        let others = seen.steps.iter().filter(|(known, _)| known != step);
        let is_last = others.into_iter().all(|(_, entry)| entry.status() != StepStatus::Begun);
        let next = if is_last { self.free_of_doubt(seen) } else { record.clone() };
        let settles = [(*step, entry.clone(), said.clone())];
        let due_in = if is_last { Some(Duration::ZERO) } else { seen.due_in() };
        let request = Suspend::new(id, record, &next).settling(&settles).due_in(due_in);
        self.admin_call(id, self.journals(seen)?.suspend(&request)).await?;
        let now = self.check_said(seen, journal, step, &said).await?;
        // Others may have been resolved since this was inspected: then nobody else sees that it was the last.
        let in_doubt = now.steps.iter().any(|(_, entry)| entry.status() == StepStatus::Begun);
        let waits = matches!(now.state(), State::Indeterminate | State::Suspended);
        let goes_on = is_last && now.state() == State::Suspended;
        if in_doubt || !waits || goes_on {
            return Ok(());
        }
        match self.make_resumable(&now).await {
            // Whoever resolved another was first, and it goes on already.
            Err(error) if error.kind() == ErrorKind::InProgress => Ok(()),
            resumable => resumable,
        }
    }

    /// What the journal is to say of the step.
    fn said_of_step(
        &self,
        seen: &Inspection,
        entry: &StepEntry,
        resolution: Resolution,
    ) -> Result<StepEntry, Error> {
        let Resolution(Said::Ended(ending)) = resolution else { return Ok(entry.taken_back()) };
        let payload = ending.payload_of_step(&seen.id, entry)?;
        let limit = self.settings().max_result_bytes;
        if payload.len() > limit {
            let why = format!("the result has {} bytes, but the limit is {limit}", payload.len());
            return Err(not_applied(ErrorKind::Encode, &seen.id).limited_to(limit).detail(why));
        }
        Ok(entry.found_out(&payload))
    }

    fn free_of_doubt(&self, seen: &Inspection) -> Record {
        let record = seen.entry.record.with_guarantee(Guarantee::AtLeastOnce).abandoned();
        self.seal(&seen.id, &record)
    }

    /// The call as it is now, if its journal says so.
    async fn check_said(
        &self,
        seen: &Inspection,
        journal: Token,
        step: &StepId,
        said: &StepEntry,
    ) -> Result<Inspection, Error> {
        let is_said = |now: &Inspection| {
            now.entry.record.journal() == Some(journal)
                && now.steps.iter().any(|(known, entry)| known == step && entry == said)
        };
        match self.inspect(&seen.id).await? {
            Some(now) if is_said(&now) => Ok(now),
            now => Err(moved_on(seen, now.as_ref().map(|now| &now.entry))),
        }
    }
}
