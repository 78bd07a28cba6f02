//! The end of a step: its result is written to the journal, and only then given to its caller.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::acquire::poison_by;
use super::gate::unfinished;
use super::held::HeldStep;
use super::write::{self, Previous, StepWrite};
use crate::engine::background::FinishInBackground;
use crate::engine::journal::Poison;
use crate::engine::settle::Settlement;
use crate::error::{Error, ErrorKind};
use crate::model::{Outcome, StepStatus};

/// A step whose end is being recorded. If it is dropped meanwhile, its run may not go on.
pub(crate) struct StepRecording {
    pub(crate) held: Box<HeldStep>,
    pub(crate) written: FinishInBackground<Result<(), Error>>,
}

impl HeldStep {
    /// Ends the step: at once if there is nothing to write, and otherwise once that is written. The error is for its
    /// caller, in the place of its result.
    pub(crate) fn settle(
        mut self: Box<Self>,
        settlement: &Settlement,
    ) -> ControlFlow<Result<(), Error>, StepRecording> {
        let (reached, result) = match settlement {
            Settlement::Complete { record, .. } => match record.outcome() {
                Outcome::Kept(result) => (StepStatus::Recorded, result),
                Outcome::NotKept(why) => (StepStatus::NotKept(why), &b""[..]),
                Outcome::Reserved => (StepStatus::Tried, &b""[..]),
            },
            Settlement::Release => (StepStatus::Tried, &b""[..]),
            Settlement::Unknown(_) if self.begun.is_none() => (StepStatus::Tried, &b""[..]),
            Settlement::Unknown(_) => return ControlFlow::Break(self.doubt()),
            Settlement::HoldForLease => return ControlFlow::Break(self.hold()),
            Settlement::Suspend(_) => return ControlFlow::Break(self.suspend()),
        };
        if reached != StepStatus::Tried {
            if let Some(error) = self.incomplete() {
                return ControlFlow::Break(Err(error));
            }
        }
        let took = self.took();
        let replaces = match (&self.begun, reached) {
            (Some(begun), _) => Previous::Entry(begun.clone()),
            (None, StepStatus::Tried) => {
                // The next write names it.
                self.fail();
                return ControlFlow::Break(Ok(()));
            }
            (None, _) => Previous::Anything,
        };
        let entry = self.scope.entry(reached, took, result);
        let write = StepWrite { entry, replaces, begins: false };
        let (engine, scope) = (self.engine.clone(), Arc::clone(&self.scope));
        let is_begun = self.begun.is_some();
        let written = FinishInBackground::new(async move {
            match write::write(&engine, &scope, write).await {
                Ok(()) if reached == StepStatus::Tried => scope.journal.failed(&scope.id),
                Ok(()) => scope.journal.succeeded(&scope.id),
                Err(error) => {
                    poison_by(&scope, &error, is_begun);
                    if !is_begun {
                        return Err(error);
                    }
                    let doubt = Error::of(ErrorKind::Indeterminate, &scope.lease.id);
                    return Err(doubt.detail(error.why().to_owned()).caused_by(error));
                }
            }
            Ok(())
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
            "step `{}`: it ended without knowing whether it took effect; resolve the record once you know",
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
