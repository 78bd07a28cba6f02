//! [`Acquisition`]: everything before the body as one future. It makes the first attempt, and waits
//! if another call is running.
//!
//! Nothing here depends on what a call returns, so all calls of a program share this code.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::acquired::Acquired;
use super::attempt::{Attempt, Try, attempt, start};
use super::request::Request;
use super::wait_for_owner::wait_for_owner;
use crate::engine::background::FinishInBackground;
use crate::engine::idempotency::Idempotency;
use crate::engine::settle::HeldReservation;
use crate::engine::telemetry::CallSpan;
use crate::error::Error;

/// A call before its body, once it has to wait for something.
pub(crate) struct Acquisition(Phase);

type Outcome = Result<Acquired<HeldReservation>, Error>;

type Waiting = Pin<Box<dyn Future<Output = Outcome> + Send>>;

enum Phase {
    /// The store is being asked. If this is dropped meanwhile, the request finishes in the
    /// background, and the reservation that it won is released.
    Asking(FinishInBackground<Result<Attempt, Error>>),
    Waiting(Waiting),
    Done,
}

impl Acquisition {
    /// Starts a call. Breaks with the outcome if it is known without waiting.
    #[inline]
    pub(crate) fn start(
        request: Box<Request>,
        engine: Idempotency,
        span: &CallSpan,
    ) -> ControlFlow<Outcome, Self> {
        match start(request, engine) {
            ControlFlow::Break(attempt) => match conclude(attempt, span) {
                ControlFlow::Break(outcome) => ControlFlow::Break(outcome),
                ControlFlow::Continue(waiting) => {
                    ControlFlow::Continue(Self(Phase::Waiting(waiting)))
                }
            },
            ControlFlow::Continue((prepared, task)) => {
                let asking = attempt(prepared, task, Try::First);
                ControlFlow::Continue(Self(Phase::Asking(in_background(asking, span))))
            }
        }
    }

    /// The outcome. After it has been ready, this stays pending.
    pub(crate) fn poll(&mut self, span: &CallSpan, cx: &mut Context<'_>) -> Poll<Outcome> {
        loop {
            let outcome = match &mut self.0 {
                Phase::Asking(asking) => {
                    let attempt = ready!(Pin::new(asking).poll(cx));
                    match conclude(attempt, span) {
                        ControlFlow::Break(outcome) => outcome,
                        ControlFlow::Continue(waiting) => {
                            self.0 = Phase::Waiting(waiting);
                            continue;
                        }
                    }
                }
                Phase::Waiting(waiting) => ready!(waiting.as_mut().poll(cx)),
                Phase::Done => return Poll::Pending,
            };
            self.0 = Phase::Done;
            return Poll::Ready(outcome);
        }
    }
}

/// What an attempt means for its call: the outcome, or a wait for the owner.
#[inline]
fn conclude(attempt: Result<Attempt, Error>, span: &CallSpan) -> ControlFlow<Outcome, Waiting> {
    match attempt {
        Ok(Attempt::Acquired(acquired)) => ControlFlow::Break(Ok(acquired)),
        Ok(Attempt::Busy(busy)) if busy.waits() && busy.is_own_caller() => {
            ControlFlow::Break(Err(busy.prepared.own_call()))
        }
        Ok(Attempt::Busy(mut busy)) if busy.waits() => {
            let seat = match busy.prepared.wait() {
                Ok(seat) => seat,
                Err(refusal) => return ControlFlow::Break(Err(refusal)),
            };
            let waiting = span.instrument(wait_for_owner(*busy, span.clone(), seat));
            ControlFlow::Continue(Box::pin(waiting))
        }
        Ok(Attempt::Busy(busy)) => ControlFlow::Break(Err(busy.refusal())),
        Err(error) => ControlFlow::Break(Err(error)),
    }
}

/// An instrumented future is larger, so one is made only if somebody records the span.
fn in_background<F>(asking: F, span: &CallSpan) -> FinishInBackground<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    if span.is_disabled() {
        FinishInBackground::new(asking)
    } else {
        FinishInBackground::new(span.instrument(asking))
    }
}
