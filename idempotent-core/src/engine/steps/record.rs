//! The end of a step: its result is written to the journal, and only then given to its caller.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::time::Instant;

use super::gate::unfinished;
use super::held::HeldStep;
use super::refusal::poison_by;
use super::write::{self, Previous, StepWrite};
use crate::engine::background::FinishInBackground;
use crate::engine::journal::Poison;
use crate::engine::lease::StepScope;
use crate::error::{Error, ErrorKind};
use crate::model::{NotKept, RecordBytes, ResultTypes, StepEntry, StepStatus};

/// What the end of a step's body means.
pub(crate) enum StepEnd {
    /// It has a result, or one that is not kept. It does not run again.
    Final(StepEntry),
    /// It has no result, and may run again.
    Failed,
    /// Nobody knows what it did.
    Unknown,
    /// Work may still be going on elsewhere.
    HoldForLease,
    /// It asks for another run.
    Suspend,
}

/// A step whose end is being recorded. If it is dropped meanwhile, its run may not go on.
pub(crate) struct StepRecording {
    pub(crate) held: HeldStep,
    pub(crate) written: FinishInBackground<Result<(), Error>>,
}

impl HeldStep {
    /// The entry of a step that has the result that `encode` appends, or one that is too large to keep.
    pub(crate) fn recorded<E>(
        &self,
        encode: impl FnOnce(&mut RecordBytes) -> Result<(), E>,
    ) -> Result<StepEntry, E> {
        let (now, max_bytes) = (Instant::now(), self.engine.settings().max_result_bytes);
        let entry = self.head(now).recorded(self.took(now), max_bytes, encode)?;
        // One that is too large is not among them.
        let is_kept = entry.status() == StepStatus::Recorded;
        Ok(if is_kept { entry } else { entry.returning(self.types()) })
    }

    /// The entry of a step whose result is not kept.
    pub(crate) fn not_kept(&self, why: NotKept) -> StepEntry {
        let now = Instant::now();
        let entry = self.head(now).entry(StepStatus::NotKept(why), self.took(now), b"");
        entry.returning(self.types())
    }

    fn types(&self) -> Option<ResultTypes<'static>> {
        self.scope.result_types.map(|types| types())
    }

    /// Ends the step: at once if there is nothing to write or its store answers at once, and otherwise once that is
    /// written. The error is for its caller, in the place of its result.
    pub(crate) fn settle(mut self, end: StepEnd) -> ControlFlow<Result<(), Error>, StepRecording> {
        let entry = match end {
            StepEnd::Final(entry) => Some(entry),
            StepEnd::Failed => None,
            StepEnd::Unknown if self.begun.is_none() => None,
            StepEnd::Unknown => return ControlFlow::Break(self.doubt()),
            StepEnd::HoldForLease => return ControlFlow::Break(self.hold()),
            StepEnd::Suspend => return ControlFlow::Break(self.suspend()),
        };
        if entry.is_some() {
            if let Some(error) = self.incomplete() {
                return ControlFlow::Break(Err(error));
            }
        }
        let (entry, replaces) = match (entry, &self.begun) {
            (Some(entry), None) => (entry, Previous::Anything),
            (Some(entry), Some(begun)) => (entry, Previous::Entry(begun.clone())),
            (None, Some(begun)) => {
                let now = Instant::now();
                let entry = self.head(now).entry(StepStatus::Tried, self.took(now), b"");
                (entry, Previous::Entry(begun.clone()))
            }
            (None, None) => {
                // The next write names it.
                self.fail();
                return ControlFlow::Break(Ok(()));
            }
        };
        let is_begun = self.begun.is_some();
        let (status, write) = (entry.status(), StepWrite { entry, replaces, begins: false });
        let write = match write::write_locally(&self.engine, &self.scope, write) {
            Ok(written) => {
                let written = ended(&self.scope, is_begun, status, written);
                self.set_ended();
                return ControlFlow::Break(written);
            }
            Err(unwritten) => unwritten,
        };
        let (engine, scope) = (self.engine.clone(), Arc::clone(&self.scope));
        let written = FinishInBackground::new(async move {
            let written = write::write(&engine, &scope, write).await;
            ended(&scope, is_begun, status, written)
        });
        ControlFlow::Continue(StepRecording { held: self, written })
    }

    /// Why a result may not be recorded: it contains a step that was not, or that is missing.
    fn incomplete(&mut self) -> Option<Error> {
        let scope = &self.scope;
        let error = if scope.is_poisoned() {
            scope.journal.poisoned().map(|poison| poison.error(&scope.lease.id))
        } else if scope.journal.is_expecting(&scope.id) {
            let error = unfinished(scope);
            poison_by(scope, &error, self.begun.is_some());
            Some(error)
        } else {
            None
        };
        if error.is_some() {
            scope.journal.failed(&scope.id);
            self.set_ended();
        }
        error
    }

    fn fail(&mut self) {
        self.scope.journal.failed(&self.scope.id);
        write::name(&self.engine, &self.scope);
        self.set_ended();
    }

    /// Nobody knows what the step did, and it must not run again: its caller gets its error, and the call waits.
    fn doubt(&mut self) -> Result<(), Error> {
        self.fail();
        let why = format!(
            "step `{}`: it ended without knowing whether it took effect; resolve the step once you know",
            self.scope.label()
        );
        self.scope.poison(Poison::new(ErrorKind::Indeterminate, why).in_doubt(true));
        Ok(())
    }

    /// Work may still be going on elsewhere: its caller gets its error, and the call is suspended.
    fn hold(&mut self) -> Result<(), Error> {
        self.interrupt("its work may still be going on")
    }

    /// It asks for another run: its caller gets its error, and the call is suspended.
    fn suspend(&mut self) -> Result<(), Error> {
        self.interrupt("it asked for its call to be suspended")
    }

    fn interrupt(&mut self, why: &str) -> Result<(), Error> {
        self.fail();
        let in_doubt = self.begun.is_some();
        let kind = if in_doubt { ErrorKind::Indeterminate } else { ErrorKind::Held };
        let why = format!("step `{}`: {why}", self.scope.label());
        self.scope.poison(Poison::new(kind, why).in_doubt(in_doubt));
        Ok(())
    }
}

impl StepRecording {
    /// Ends it: what was written is written.
    pub(crate) fn end(mut self) {
        self.held.set_ended();
    }
}

/// What follows from the write of a step's end. One that has a result has it from then on.
fn ended(
    scope: &StepScope,
    is_begun: bool,
    status: StepStatus,
    written: Result<(), Error>,
) -> Result<(), Error> {
    match written {
        Ok(()) => {
            if status == StepStatus::Tried {
                scope.journal.failed(&scope.id);
            }
            Ok(())
        }
        Err(error) => {
            poison_by(scope, &error, is_begun);
            if !is_begun {
                return Err(error);
            }
            let doubt = Error::of(ErrorKind::Indeterminate, &scope.lease.id);
            Err(doubt.detail(error.why().to_owned()).caused_by(error))
        }
    }
}
