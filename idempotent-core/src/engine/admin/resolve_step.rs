//! Saying what a step turned out to be of which nobody knows what it did, and correcting what was said.

use std::time::Duration;

use super::in_doubt::asked_for;
use super::inspect::Inspection;
use super::moved_on::moved_on;
use super::resolution::{Resolution, Said, not_applied};
use super::suspend::with_no_attempts;
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, NotKept, Record, StepEntry, StepId, StepStatus, Token};
use crate::store::{State, Suspend};

impl Idempotency {
    /// Says what a step turned out to be of which nobody knows what it did: one that is *at most once* and began; or what a
    /// step returned that has run and whose result was too large or could not be written. Once no step of the call is in
    /// doubt, the call is suspended, and goes on from there: unless it is [itself in doubt](Inspection::is_itself_in_doubt),
    /// as one that is *at most once* is whose owner was lost. What it did beside its steps would be done twice, so it waits
    /// until it is [resolved](Self::resolve).
    ///
    /// The resolution says that the step [returned a value](Resolution::completed), which the next run gets in the place
    /// of running it; or that it [did not happen](Resolution::never_happened_and_owner_is_dead), so that the next run runs
    /// it. It acts only on what was [inspected](Self::inspect): a step that has changed since, for example because its
    /// late owner has settled it, stays as it is. A value of another type than the step's is refused, by its
    /// [name](StepEntry::result_types); what was said wrongly is [corrected](Self::correct_step).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, engine::Resolution};
    /// use idempotent_core::store::Scan;
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for seen in engine.scan(&Scan::in_doubt()).await?.entries {
    ///     if let Some((step, entry)) = seen.steps_in_doubt().next() {
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
    /// * [`ErrorKind::Misconfigured`] if the inspection has no such step, or one whose result is known; or if a step is said
    ///   not to have happened that [has run](StepEntry::has_run); or if its result was an error that is not memoized, or was
    ///   withheld: [resolve the call](Self::resolve).
    /// * [`ErrorKind::InProgress`] if the call runs.
    /// * [`ErrorKind::Indeterminate`] if the record or the step has changed since it was inspected.
    /// * [`ErrorKind::Encode`] if the value has another type than the step's result, cannot be encoded or exceeds the
    ///   engine's limit; or if it is an error, and the step does not memoize errors.
    /// * [`ErrorKind::Incompatible`] if the resolution is [of another version](Resolution::of_version) than the step.
    /// * [`ErrorKind::Store`] if the store fails.
    pub async fn resolve_step(
        &self,
        seen: &Inspection,
        step: &StepId,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let entry = self.find_step(seen, step)?;
        match entry.status() {
            StepStatus::NotKept(NotKept::NotMemoized | NotKept::Withheld) => {
                let why = "the step has ended with what it keeps to itself, as an `Err` that is final: resolve the call";
                return Err(refused(seen, why));
            }
            StepStatus::Begun | StepStatus::NotKept(_) => {}
            _ => return Err(refused(seen, "nobody doubts what the step did")),
        }
        check_never(seen, entry, &resolution)?;
        self.say_of_step(seen, step, resolution).await
    }

    /// Replaces what somebody [said](Self::resolve_step) of a step, if that was wrong, or if the code cannot read it.
    ///
    /// It acts only on what was [inspected](Self::inspect), on a call that nobody runs, and on a step that was
    /// [resolved](StepEntry::is_resolved): what a step itself has recorded is final. **What was done since stands**: a run
    /// that got the wrong result has gone on with it, and one that was told that the step did not happen may have run it.
    /// An owner that was taken for dead and lives is fenced: it no longer records a step or completes the call by what it
    /// was told, although what it has under way still happens. It may still settle a step that it began itself. Fenced as
    /// well is the owner of a call's first run, which was told nothing: its caller gets what its body returns, and the call
    /// goes on with what was said, or stays indeterminate if it is itself in doubt. The new token is also how a correction
    /// notices another one that a [scan](Self::scan), which has no results, cannot tell from what it found. A store whose
    /// [journal](crate::store::Journal::fences_by_suspend) cannot fence it lets it complete the call. Once no step of the
    /// call is in doubt, the call goes on, as with [`resolve_step`](Self::resolve_step). To a
    /// [`Reconciler`](crate::engine::Reconciler) that asks about the call itself it is another one from then on: the time
    /// that it has been in doubt, and the answers so far, count anew.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore};
    /// # use idempotent_core::engine::Resolution;
    /// # use idempotent_core::store::Scan;
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for found in engine.scan(&Scan::unfinished()).await?.entries {
    ///     let Some(seen) = engine.inspect(found.id()).await? else { continue };
    ///     if let Some((step, _)) = seen.steps().iter().find(|(_, entry)| entry.is_resolved()) {
    ///         engine.correct_step(&seen, step, Resolution::completed("receipt 7")).await?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Misconfigured`] if the inspection has no such step, or one that was not resolved, or if one is said not to
    /// have happened that [has run](StepEntry::has_run); the others are those of
    /// [`resolve_step`](Self::resolve_step).
    pub async fn correct_step(
        &self,
        seen: &Inspection,
        step: &StepId,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let entry = self.find_step(seen, step)?;
        if !entry.is_resolved() {
            let why =
                "only what was said of a step can be corrected, and of this one nothing was said";
            return Err(refused(seen, why));
        }
        check_never(seen, entry, &resolution)?;
        let whole = self.with_result(seen, step, entry).await?;
        self.say_of_step(whole.as_ref().unwrap_or(seen), step, resolution).await
    }

    /// The inspection with what the step is said to have returned, if it may lack that because it is of a scan.
    async fn with_result(
        &self,
        seen: &Inspection,
        step: &StepId,
        entry: &StepEntry,
    ) -> Result<Option<Inspection>, Error> {
        if entry.status() != StepStatus::Recorded || !entry.result().is_empty() {
            return Ok(None);
        }
        let is_seen = |now: &Inspection| {
            let mut steps = now.steps.iter();
            let is_same = steps.any(|(known, it)| known == step && it.without_result() == *entry);
            is_same && now.token() == seen.token() && now.state() == seen.state()
        };
        match self.inspect(&seen.id).await? {
            Some(now) if is_seen(&now) => Ok(Some(now)),
            now => Err(moved_on(seen, now.as_ref().map(|now| &now.entry))),
        }
    }

    fn find_step<'a>(&self, seen: &'a Inspection, step: &StepId) -> Result<&'a StepEntry, Error> {
        let found = seen.steps.iter().find(|(known, _)| known == step);
        let found = found.filter(|_| seen.has_journal());
        found
            .map(|(_, entry)| entry)
            .ok_or_else(|| refused(seen, "the inspection has no such step"))
    }

    /// Writes what somebody says of a step, and has the call go on if no other step of it is in doubt.
    async fn say_of_step(
        &self,
        seen: &Inspection,
        step: &StepId,
        resolution: Resolution,
    ) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let entry = self.find_step(seen, step)?;
        let Some(journal) = record.journal() else {
            return Err(refused(seen, "the call has no journal"));
        };
        if !matches!(seen.state(), State::Indeterminate | State::Suspended) {
            let why = "the call runs, and may know itself";
            return Err(not_applied(ErrorKind::InProgress, id).detail(why));
        }
        let said = self.said_of_step(seen, entry, resolution)?;
        let said = match self.0.authenticity.sealing_key() {
            Some(key) => said.sealed(journal, step, key),
            None => said,
        };
        let is_last = !is_in_doubt_after(seen, step, &said);
        let goes_on = is_last && !seen.is_itself_in_doubt();
        let next = if goes_on { self.free_of_doubt(seen) } else { record.clone() };
        let journals = self.journals(seen)?;
        // Whoever runs the call after all has gone on with what was said before.
        let next = match entry.is_resolved() && journals.fences_by_suspend() {
            true => self.seal(id, &next.of_token(Token::random())),
            false => next,
        };
        let settles = [(*step, entry.clone(), said.clone())];
        let was_stopped =
            entry.status() == StepStatus::Begun || seen.state() == State::Indeterminate;
        // What waits for its caller alone goes on waiting, if nobody was in doubt about it. A scan does not know.
        let due_in = match goes_on && was_stopped {
            true => Some(Duration::ZERO),
            false => self.due_in(id, record).await?,
        };
        let request = Suspend::new(id, record, &next).settling(&settles).due_in(due_in);
        self.admin_call(id, journals.suspend(&request)).await?;
        let now = self.check_said(seen, journal, step, &said).await?;
        // Others may have been resolved since this was inspected: then nobody else sees that it was the last.
        let waits = matches!(now.state(), State::Indeterminate | State::Suspended);
        let has_gone_on = goes_on && now.state() == State::Suspended;
        let is_stopped = now.steps_in_doubt().next().is_some() || now.is_itself_in_doubt();
        if is_stopped || !waits || has_gone_on {
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
        // The next attempt would park it again. What was not parked keeps its attempts, so that one that fails each time is.
        let record = if seen.is_parked() { with_no_attempts(record) } else { record };
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

/// Whether a step of the call is still in doubt once that is said of one.
fn is_in_doubt_after(seen: &Inspection, step: &StepId, said: &StepEntry) -> bool {
    let mut steps = seen.steps.clone();
    if let Some((_, entry)) = steps.iter_mut().find(|(known, _)| known == step) {
        *entry = said.clone();
    }
    asked_for(&steps).any(|(_, entry)| entry.status() == StepStatus::Begun)
}

/// Refuses to have a step run again that is known to have run.
fn check_never(seen: &Inspection, entry: &StepEntry, said: &Resolution) -> Result<(), Error> {
    match said.says_never_happened() && entry.has_run() {
        true => Err(refused(seen, "the step has run, though its result was not kept")),
        false => Ok(()),
    }
}

fn refused(seen: &Inspection, why: &'static str) -> Error {
    not_applied(ErrorKind::Misconfigured, &seen.id).detail(why)
}
