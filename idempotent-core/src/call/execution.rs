//! A call from its first poll to its end, apart from its body.
//!
//! The few lines that depend on the body's type are in [`body`](super::body) and
//! [`run`](super::run). This file is compiled once for each pair of `T` and `E`, and everything
//! below it once.

use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::body::Body;
use super::policy::Policy;
use super::typed::Call;
use crate::default_engine::engine_of;
use crate::engine::{
    Acquired, AcquiringStep, Acquisition, CallReport, CallSpan, CurrentCallGuard,
    FinishInBackground, HeldReservation, HeldStep, Idempotency, KeyEnd, ObservedCall, Request,
    StepRecording, StepRequest, UnrecordedRun, current,
};
use crate::error::Error;
use crate::model::CallOutcome;

/// A call that is being executed.
pub(super) struct Execution<T, E> {
    pub(super) span: CallSpan,
    pub(super) policy: Policy<T, E>,
    pub(super) phase: Phase<T, E>,
    /// Set once the engine is known, if it has an observer.
    observed: Option<Box<ObservedCall>>,
}

pub(super) enum Phase<T, E> {
    Unstarted(Box<Request>),
    UnstartedStep(StepRequest),
    /// Reports the end until somebody has the key, who then does.
    Acquiring(Acquisition, CallReport),
    AcquiringStep(AcquiringStep),
    /// The body may run.
    Body(Owner),
    Recording(Box<Recording<T, E>>),
    RecordingStep(Box<(Result<T, E>, StepRecording)>),
    Done,
}

/// What the call owns while its body runs.
pub(super) enum Owner {
    Held(HeldReservation),
    /// No record: the store failed and the engine fails open.
    Unrecorded(Box<UnrecordedRun>),
    /// A step of a call that holds a reservation.
    Step(HeldStep),
}

pub(super) struct Recording<T, E> {
    result: Result<T, E>,
    recorded: FinishInBackground<()>,
}

/// A call's result, and its outcome.
pub(super) type Finished<T, E> = (Result<T, E>, CallOutcome);

/// What a caller owns once it may run the body itself.
pub(super) struct Parts<T, E> {
    /// `None` if the body runs without a record.
    pub(super) held: Option<HeldReservation>,
    pub(super) unrecorded: Option<Box<UnrecordedRun>>,
    pub(super) policy: Policy<T, E>,
    pub(super) observed: Option<Box<ObservedCall>>,
}

impl<T, E> Execution<T, E> {
    pub(super) fn new(call: Call<T, E>) -> Self {
        let Call { request, policy, span } = call;
        Self { span, policy, phase: Phase::Unstarted(request), observed: None }
    }

    pub(super) fn of_step(request: StepRequest, policy: Policy<T, E>, span: CallSpan) -> Self {
        Self { span, policy, phase: Phase::UnstartedStep(request), observed: None }
    }

    /// Everything before the body. `Some` is a replayed result; `None` means that the body may run.
    pub(super) fn poll_acquire(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Result<T, E>>, Error>> {
        let (acquired, mut report) = match &mut self.phase {
            Phase::Unstarted(_) => {
                let Phase::Unstarted(request) = mem::replace(&mut self.phase, Phase::Done) else {
                    return Poll::Pending;
                };
                let report = CallReport::start(&self.span);
                match start(request, &self.span, &mut self.observed) {
                    ControlFlow::Break(acquired) => (acquired, report),
                    ControlFlow::Continue(acquisition) => {
                        self.phase = Phase::Acquiring(acquisition, report);
                        return self.poll_acquire(cx);
                    }
                }
            }
            Phase::Acquiring(acquisition, report) => {
                let acquired = ready!(acquisition.poll(&self.span, cx));
                let report = mem::take(report);
                self.phase = Phase::Done;
                (acquired, report)
            }
            Phase::UnstartedStep(_) => return self.start_step(cx),
            Phase::AcquiringStep(_) => return self.poll_step(cx),
            _ => return Poll::Ready(Ok(None)),
        };
        Poll::Ready(match acquired.and_then(|acquired| self.proceed(acquired, &mut report)) {
            Ok((outcome, replayed)) => {
                if let (Some(observed), Some(_)) = (&self.observed, &replayed) {
                    observed.ended(outcome);
                }
                Ok(replayed)
            }
            Err(error) => {
                report.refused(&error, KeyEnd::Untouched);
                if let Some(observed) = &self.observed {
                    observed.refused(&error);
                }
                if let Some(caller) = current() {
                    caller.set_refused(&error);
                }
                Err(error)
            }
        })
    }

    fn proceed(
        &mut self,
        acquired: Acquired<HeldReservation>,
        report: &mut CallReport,
    ) -> Result<(CallOutcome, Option<Result<T, E>>), Error> {
        match acquired {
            Acquired::Replay(completed) => {
                let result = self.policy.replay(&completed)?;
                if let Some(observed) = &self.observed {
                    observed.link(&self.span, completed.record.trace_parent());
                }
                report.replayed(&completed.id);
                Ok((CallOutcome::Replayed, Some(result)))
            }
            Acquired::Won(mut held) => {
                if let (Some(observed), Some(before)) = (&self.observed, held.take_resumed_from()) {
                    observed.link(&self.span, Some(before));
                }
                held.take_over(report);
                self.phase = Phase::Body(Owner::Held(held));
                Ok((CallOutcome::Executed, None))
            }
            Acquired::Unrecorded(mut run) => {
                run.take_over(report);
                self.phase = Phase::Body(Owner::Unrecorded(run));
                Ok((CallOutcome::Unrecorded, None))
            }
        }
    }

    /// The whole call: what precedes its body, the body, and its end.
    pub(super) fn poll(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Finished<T, E>> {
        if let Phase::Unstarted(_)
        | Phase::UnstartedStep(_)
        | Phase::Acquiring(..)
        | Phase::AcquiringStep(_) = self.phase
        {
            match ready!(self.poll_acquire(cx)) {
                Ok(Some(result)) => return Poll::Ready((result, CallOutcome::Replayed)),
                Ok(None) => {
                    // The call is entered once, to make the body and to poll it for the first time.
                    let entered = self.enter();
                    self.make(body);
                    return self.poll_entered(body, entered, cx);
                }
                Err(error) => return Poll::Ready(self.refuse(error)),
            }
        }
        self.poll_body(body, cx)
    }

    /// The same, for callers that do not ask for the outcome.
    pub(super) fn poll_result(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, E>> {
        self.poll(body, cx).map(|(result, _)| result)
    }

    /// The engine of a call whose body may run.
    pub(super) fn engine(&self) -> Option<&Idempotency> {
        match &self.phase {
            Phase::Body(Owner::Held(held)) => Some(held.engine()),
            Phase::Body(Owner::Unrecorded(run)) => Some(&run.engine),
            _ => None,
        }
    }

    /// Makes this the current call of this thread, until the guard is dropped.
    pub(super) fn enter(&self) -> Option<CurrentCallGuard> {
        match &self.phase {
            Phase::Body(Owner::Held(held)) => Some(held.current_call().enter()),
            Phase::Body(Owner::Unrecorded(run)) => Some(run.current.clone().enter()),
            Phase::Body(Owner::Step(step)) => Some(step.current_call().enter()),
            _ => None,
        }
    }

    /// Makes the body's future, in the call's span. The call must be the current one.
    pub(super) fn make(&mut self, body: &mut dyn Body<T, E>) {
        let Phase::Body(owner) = &mut self.phase else { return };
        let _entered = self.span.enter();
        match owner {
            Owner::Held(held) => held.make_body(|| body.make()),
            Owner::Unrecorded(_) | Owner::Step(_) => body.make(),
        }
    }

    /// Polls the body, and then records its end. If this is dropped while the body runs, the key is
    /// held.
    pub(super) fn poll_body(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Finished<T, E>> {
        let entered = self.enter();
        self.poll_entered(body, entered, cx)
    }

    fn poll_entered(
        &mut self,
        body: &mut dyn Body<T, E>,
        current: Option<CurrentCallGuard>,
        cx: &mut Context<'_>,
    ) -> Poll<Finished<T, E>> {
        let Phase::Body(owner) = &mut self.phase else { return self.poll_recorded(cx) };
        match owner {
            Owner::Held(held) => held.set_polling(),
            Owner::Step(step) => step.set_running(),
            Owner::Unrecorded(_) => {}
        }
        let entered = self.span.enter();
        let polled = body.poll(cx);
        if let Owner::Held(held) = owner {
            held.set_running();
        }
        let result = ready!(polled);
        drop(current);
        body.drop_future();
        drop(entered);
        self.settle(result, cx)
    }

    /// Starts to record the end of the call.
    fn settle(&mut self, mut result: Result<T, E>, cx: &mut Context<'_>) -> Poll<Finished<T, E>> {
        let mut held = match mem::replace(&mut self.phase, Phase::Done) {
            Phase::Body(Owner::Held(held)) => held,
            Phase::Body(Owner::Unrecorded(mut run)) => {
                run.returned();
                return Poll::Ready(self.end(result, CallOutcome::Unrecorded));
            }
            Phase::Body(Owner::Step(step)) => return self.settle_step(result, step, cx),
            _ => return Poll::Ready((result, CallOutcome::Executed)),
        };
        held.set_judging();
        let entered = self.span.enter();
        let mut settlement = self.policy.settlement(&result, &held);
        if let Some(error) = self.policy.verify(&result, &mut settlement, held.as_ref()) {
            if let Some(caller) = current() {
                caller.set_refused(&error);
            }
            result = self.policy.refuse(error);
        }
        if let Some(error) = held.refusal(&settlement) {
            result = self.refuse_for_step(error);
        }
        drop(entered);
        let Some(mut recorded) = held.settle(settlement) else {
            return Poll::Ready(self.end(result, CallOutcome::Executed));
        };
        if Pin::new(&mut recorded).poll(cx).is_ready() {
            return Poll::Ready(self.end(result, CallOutcome::Executed));
        }
        self.phase = Phase::Recording(Box::new(Recording { result, recorded }));
        Poll::Pending
    }

    /// Continues to record the end of the call.
    fn poll_recorded(&mut self, cx: &mut Context<'_>) -> Poll<Finished<T, E>> {
        let Phase::Recording(recording) = &mut self.phase else {
            return self.poll_recorded_step(cx);
        };
        ready!(Pin::new(&mut recording.recorded).poll(cx));
        match mem::replace(&mut self.phase, Phase::Done) {
            Phase::Recording(recording) => {
                Poll::Ready(self.end(recording.result, CallOutcome::Executed))
            }
            _ => Poll::Pending,
        }
    }

    /// Reports the end of the call, if somebody wants to hear of it.
    pub(super) fn end(&self, result: Result<T, E>, outcome: CallOutcome) -> Finished<T, E> {
        if let Some(observed) = &self.observed {
            observed.ended(outcome);
        }
        (result, outcome)
    }

    pub(super) fn refuse(&self, error: Error) -> Finished<T, E> {
        (self.policy.refuse(error), CallOutcome::Refused)
    }

    /// What the caller needs to do the body's work itself.
    pub(super) fn into_parts(self) -> Parts<T, E> {
        let (held, unrecorded) = match self.phase {
            Phase::Body(Owner::Held(held)) => (Some(held), None),
            Phase::Body(Owner::Unrecorded(run)) => (None, Some(run)),
            _ => (None, None),
        };
        Parts { held, unrecorded, policy: self.policy, observed: self.observed }
    }
}

/// Starts a call. Its engine is chosen here, at the first poll, in the task that runs it.
// Compiled once, and not again for every type of result.
#[inline(never)]
fn start(
    mut request: Box<Request>,
    span: &CallSpan,
    observed: &mut Option<Box<ObservedCall>>,
) -> ControlFlow<Result<Acquired<HeldReservation>, Error>, Acquisition> {
    match engine_of(&mut request) {
        Ok(engine) => {
            *observed = engine.observe(request.operation.name);
            if let Some(observed) = observed {
                request.trace_parent = observed.trace_parent(span);
            }
            Acquisition::start(request, engine, span)
        }
        Err(error) => ControlFlow::Break(Err(error)),
    }
}
