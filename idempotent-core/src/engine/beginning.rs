//! Everything before the body, as one future: the first attempt, and waiting if another call runs.
//!
//! Nothing here knows what a call returns, so that all calls of a program share this code.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::attempt::{Attempt, First, first_attempt};
use super::elsewhere::Elsewhere;
use super::prepare::Request;
use super::telemetry::CallSpan;
use super::turn::later_attempts;
use crate::error::Error;

/// A call on its way to its body. It does nothing until it is polled.
pub(crate) struct Beginning(Phase);

enum Phase {
    Unstarted(Box<Request>),
    Asking(Elsewhere<Result<Attempt, Error>>),
    Waiting(Pin<Box<dyn Future<Output = Result<Attempt, Error>> + Send>>),
    Over,
}

impl Beginning {
    pub(crate) fn new(request: Box<Request>) -> Self {
        Self(Phase::Unstarted(request))
    }

    /// What the call came to: won, a replay, a refusal; never busy.
    pub(crate) fn poll(
        &mut self,
        span: &CallSpan,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Attempt, Error>> {
        loop {
            let attempt = match mem::replace(&mut self.0, Phase::Over) {
                Phase::Unstarted(request) => match first_attempt(request, span) {
                    First::Decided(attempt) => attempt,
                    First::Asked(asking) => {
                        self.0 = Phase::Asking(asking);
                        continue;
                    }
                },
                Phase::Asking(mut asking) => match Pin::new(&mut asking).poll(cx) {
                    Poll::Ready(attempt) => attempt,
                    Poll::Pending => {
                        self.0 = Phase::Asking(asking);
                        return Poll::Pending;
                    }
                },
                Phase::Waiting(mut waiting) => match waiting.as_mut().poll(cx) {
                    Poll::Ready(attempt) => attempt,
                    Poll::Pending => {
                        self.0 = Phase::Waiting(waiting);
                        return Poll::Pending;
                    }
                },
                Phase::Over => return Poll::Pending,
            };
            match attempt {
                Ok(Attempt::Busy(busy)) if busy.waits() => {
                    let waiting = span.instrument(later_attempts(*busy, span.clone()));
                    self.0 = Phase::Waiting(Box::pin(waiting));
                }
                Ok(Attempt::Busy(busy)) => return Poll::Ready(Err(busy.refusal())),
                decided => return Poll::Ready(decided),
            }
        }
    }
}
