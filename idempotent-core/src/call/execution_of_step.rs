//! What a step does in the place of what a call does: its key is no record's, and its end is one of the call's journal.

use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::execution::{Execution, Finished, Owner, Phase};
use crate::engine::{AcquiredStep, HeldStep, acquire_step, current};
use crate::error::Error;
use crate::model::CallOutcome;

impl<T, E> Execution<T, E> {
    /// Takes note that the body asks for this step, in the order in which the body does.
    pub(super) fn start_step(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Result<T, E>>, Error>> {
        let Phase::UnstartedStep(request) = mem::replace(&mut self.phase, Phase::Done) else {
            return Poll::Pending;
        };
        match acquire_step(request, current()) {
            ControlFlow::Break(acquired) => Poll::Ready(self.begin_step(acquired)),
            ControlFlow::Continue(acquiring) => {
                self.phase = Phase::AcquiringStep(acquiring);
                self.poll_step(cx)
            }
        }
    }

    /// Everything before the body of a step.
    pub(super) fn poll_step(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Result<T, E>>, Error>> {
        let Phase::AcquiringStep(acquiring) = &mut self.phase else { return Poll::Pending };
        let acquired = ready!(acquiring.as_mut().poll(cx));
        self.phase = Phase::Done;
        Poll::Ready(self.begin_step(acquired))
    }

    fn begin_step(
        &mut self,
        acquired: Result<AcquiredStep, Error>,
    ) -> Result<Option<Result<T, E>>, Error> {
        let replayed = match acquired {
            Ok(AcquiredStep::Recorded(recorded)) => self.policy.replay_step(&recorded).map(Some),
            Ok(AcquiredStep::Run(step)) => {
                self.phase = Phase::Body(Owner::Step(step));
                Ok(None)
            }
            Err(error) => Err(error),
        };
        match replayed {
            Ok(replayed) => {
                let outcome = match replayed {
                    Some(_) => CallOutcome::Replayed,
                    None => CallOutcome::Executed,
                };
                self.span.step_began(outcome.as_str());
                Ok(replayed)
            }
            Err(error) => Err(self.refuse_step(error)),
        }
    }

    fn refuse_step(&self, error: Error) -> Error {
        self.span.step_began(error.code());
        if let Some(caller) = current() {
            caller.set_refused(&error);
        }
        error
    }

    /// Starts to record the end of a step. Its caller gets its result once that is done.
    pub(super) fn settle_step(
        &mut self,
        mut result: Result<T, E>,
        step: HeldStep,
        cx: &mut Context<'_>,
    ) -> Poll<Finished<T, E>> {
        let mut end = self.policy.end_of_step(&result, &step);
        if let Some(error) = self.policy.verify_step(&result, &mut end, &step) {
            result = self.policy.refuse(self.refuse_step(error));
        }
        match step.settle(end) {
            ControlFlow::Break(ended) => Poll::Ready(self.end_step(result, ended)),
            ControlFlow::Continue(recording) => {
                self.phase = Phase::RecordingStep(Box::new((result, recording)));
                self.poll_recorded_step(cx)
            }
        }
    }

    /// Continues to record the end of a step.
    pub(super) fn poll_recorded_step(&mut self, cx: &mut Context<'_>) -> Poll<Finished<T, E>> {
        let Phase::RecordingStep(recording) = &mut self.phase else { return Poll::Pending };
        let written = ready!(Pin::new(&mut recording.1.written).poll(cx));
        match mem::replace(&mut self.phase, Phase::Done) {
            Phase::RecordingStep(recorded) => {
                let (result, recording) = *recorded;
                recording.end();
                Poll::Ready(self.end_step(result, written))
            }
            _ => Poll::Pending,
        }
    }

    fn end_step(&self, result: Result<T, E>, ended: Result<(), Error>) -> Finished<T, E> {
        match ended {
            Ok(()) => (result, CallOutcome::Executed),
            Err(error) => (self.policy.refuse(self.refuse_step(error)), CallOutcome::Refused),
        }
    }

    /// What the caller of a call gets whose step was not recorded: why, whatever its body made of it. A caller that is
    /// told of another error would not know that the call may be resumed.
    pub(super) fn refuse_for_step(&self, error: Error) -> Result<T, E> {
        if let Some(caller) = current() {
            caller.set_refused(&error);
        }
        self.policy.refuse(error)
    }
}
