//! Saying of a call with steps that another run may resume it.

use std::time::Duration;

use super::in_doubt::asked_for;
use super::inspect::Inspection;
use super::moved_on::moved_on;
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, Record, Runs, StepStatus};
use crate::store::{Journal, State, Suspend, WithoutJournal};

impl Idempotency {
    /// Has a call go on that was parked, because recovery could not finish it, or that waits for its next caller: a
    /// [`Recovery`](crate::engine::Recovery) resumes it soon if it has an input, and its next caller does at once. Its
    /// attempts begin anew. Steps in doubt stay in doubt: say of each what became of it, with
    /// [`resolve_step`](Self::resolve_step). A call that is [itself in doubt](Inspection::is_itself_in_doubt) is refused:
    /// [resolve](Self::resolve) it.
    ///
    /// It acts only on the record that was inspected.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Misconfigured`] if the call cannot be resumed: it has neither an input nor a recorded step, or it is
    ///   not indeterminate or suspended.
    /// * [`ErrorKind::Indeterminate`] if nobody knows what the call did; if a step is in doubt or has run without a result that was kept, or if the record has
    ///   changed since it was inspected.
    /// * [`ErrorKind::Incompatible`] if its journal is lost, so that nothing can go on.
    /// * [`ErrorKind::InProgress`] if somebody has taken the call since.
    /// * [`ErrorKind::Store`] if the store fails.
    pub async fn resume(&self, seen: &Inspection) -> Result<(), Error> {
        let record = &seen.entry.record;
        let refused = |kind, why: String| Err(Error::of(kind, &seen.id).detail(why));
        if !(record.has_input() || record.has_journal()) {
            let why = "it has neither an input nor a recorded step, so there is nothing to resume";
            return refused(ErrorKind::Misconfigured, why.to_owned());
        }
        if !matches!(seen.state(), State::Indeterminate | State::Suspended) {
            let why = "only a call that nobody runs can be resumed: it must be indeterminate or suspended";
            return refused(ErrorKind::Misconfigured, why.to_owned());
        }
        self.check_can_go_on(seen).await?;
        if seen.is_itself_in_doubt() {
            let why = "nobody knows what the call did: find that out, and say it with `Idempotency::resolve` or the command \
                       `idempotent resolve`";
            return refused(ErrorKind::Indeterminate, why.to_owned());
        }
        self.make_resumable(seen).await
    }

    /// Refuses to have a call go on that cannot: one of its steps is in doubt or has run without a result that was kept, or its
    /// journal is lost.
    pub(super) async fn check_can_go_on(&self, seen: &Inspection) -> Result<(), Error> {
        let Some(journal) = seen.entry.record.journal() else { return Ok(()) };
        let call = self.journals(seen)?.load_steps(&seen.id, journal);
        let steps = self.admin_call(&seen.id, call).await?;
        if steps.is_empty() {
            let why = "its journal is lost, and no run can go on without it: find out what was done, and resolve the call to \
                       its result, or purge it";
            return Err(Error::of(ErrorKind::Incompatible, &seen.id).detail(why));
        }
        let first = match seen.state() {
            State::Reserved => "if its owner is dead, release the call first, and then ",
            _ => "first ",
        };
        let how = "with `Idempotency::resolve_step` or the command `idempotent resolve-step`";
        let stops = |wanted: fn(StepStatus) -> bool| {
            let mut steps = asked_for(&steps);
            steps.find(|(_, entry)| wanted(entry.status())).map(|(_, entry)| entry.name())
        };
        let why = if let Some(begun) = stops(|status| status == StepStatus::Begun) {
            format!("nobody knows what step `{begun}` did: {first}say what became of it, {how}")
        } else if let Some(lost) = stops(|status| matches!(status, StepStatus::NotKept(_))) {
            format!(
                "step `{lost}` has run, and its result was not kept, so every run ends there: {first}say what it returned, {how}"
            )
        } else {
            return Ok(());
        };
        Err(Error::of(ErrorKind::Indeterminate, &seen.id).detail(why))
    }

    /// Suspends a call that was inspected.
    pub(super) async fn make_resumable(&self, seen: &Inspection) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let store = self.journals(seen)?;
        let suspended = with_no_attempts(record.with_guarantee(Guarantee::AtLeastOnce).abandoned());
        let suspended = self.seal(id, &suspended);
        let request = Suspend::new(id, record, &suspended)
            .otherwise(WithoutJournal::Abandon(&suspended))
            .due_in(Some(Duration::ZERO));
        self.admin_call(id, store.suspend(&request)).await?;
        match self.inspect(id).await? {
            Some(now) if now.state() == State::Suspended => Ok(()),
            now => Err(moved_on(seen, now.as_ref().map(|now| &now.entry))),
        }
    }

    /// Ends the lease of a call that was inspected.
    pub(super) async fn end_lease(&self, seen: &Inspection) -> Result<(), Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let suspended = self.seal(id, &record.abandoned());
        let request = Suspend::new(id, record, &suspended)
            .otherwise(WithoutJournal::Abandon(&suspended))
            .due_in(Some(Duration::ZERO));
        self.admin_call(id, self.journals(seen)?.suspend(&request)).await
    }

    pub(super) fn journals(&self, seen: &Inspection) -> Result<&dyn Journal, Error> {
        self.store().journal().ok_or_else(|| {
            Error::of(ErrorKind::Misconfigured, &seen.id).detail("its store keeps no journals")
        })
    }
}

/// The record of a call with which recovery begins anew.
pub(super) fn with_no_attempts(record: Record) -> Record {
    match record.runs() {
        Runs { attempts: 0, .. } => record,
        runs => record.with_runs(Runs { attempts: 0, ..runs }),
    }
}
