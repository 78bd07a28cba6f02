//! A call from its first poll to its end, apart from its body.
//!
//! What depends on the body's own type is a few lines in [`run`](super::run); this is compiled once
//! for each pair of `T` and `E`, and everything below it once.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::policy::Policy;
use super::{Call, Ended};
use crate::engine::{Attempt, Beginning, CallSpan, Current, Elsewhere, Entered, Held};
use crate::error::{Error, ErrorKind};
use crate::record::RecordId;

pub(super) struct Ongoing<T, E> {
    span: CallSpan,
    policy: Policy<T, E>,
    phase: Phase<T, E>,
}

enum Phase<T, E> {
    Beginning(Beginning),
    /// The body's turn.
    Body(Holding),
    Recording(Box<Recording<T, E>>),
    Over,
}

/// What the call has while its body runs.
enum Holding {
    Held(Held),
    /// Nothing: the engine fails open.
    Nothing(Current),
}

struct Recording<T, E> {
    result: Result<T, E>,
    settling: Elsewhere<()>,
}

/// What a call came to before its body.
pub(super) enum Begun<T, E> {
    /// It was run before, and this is its result.
    Replayed(Result<T, E>),
    Refused(Error),
    /// The body's turn.
    Body,
}

/// A call's body, whatever its type.
pub(super) trait Body<T, E> {
    /// Makes the body's future.
    fn make(&mut self);

    /// Polls it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>>;

    /// Drops it, before its end is recorded.
    fn end(&mut self);
}

impl<T, E> Ongoing<T, E> {
    pub(super) fn new(call: Call<T, E>) -> Self {
        let Call { request, policy, span } = call;
        Self { span, policy, phase: Phase::Beginning(Beginning::new(request)) }
    }

    /// Everything before the body.
    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Begun<T, E>> {
        let Phase::Beginning(beginning) = &mut self.phase else {
            return Poll::Ready(Begun::Body);
        };
        let attempt = ready!(beginning.poll(&self.span, cx));
        let (ended, begun) = match attempt.and_then(|attempt| self.decide(attempt)) {
            Ok(decided) => decided,
            Err(error) => {
                self.phase = Phase::Over;
                self.span.refused(&error);
                return Poll::Ready(Begun::Refused(error));
            }
        };
        self.span.ended(ended);
        Poll::Ready(begun)
    }

    fn decide(&mut self, attempt: Attempt) -> Result<(Ended, Begun<T, E>), Error> {
        self.phase = Phase::Over;
        match attempt {
            Attempt::Replay(found) => {
                let result = self.policy.replay(&found.id, &found.record)?;
                Ok((Ended::Replayed, Begun::Replayed(result)))
            }
            Attempt::Won(held) => {
                self.phase = Phase::Body(Holding::Held(held));
                Ok((Ended::Executed, Begun::Body))
            }
            Attempt::Unrecorded(current) => {
                self.phase = Phase::Body(Holding::Nothing(current));
                Ok((Ended::Unrecorded, Begun::Body))
            }
            Attempt::Busy(busy) => Err(busy.refusal()),
        }
    }

    /// The whole call: its beginning, its body, its end.
    pub(super) fn poll(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Done<T, E>> {
        if let Phase::Beginning(_) = self.phase {
            match ready!(self.poll_begin(cx)) {
                Begun::Replayed(result) => return Poll::Ready((result, Ended::Replayed)),
                Begun::Refused(error) => return Poll::Ready(self.refuse(error)),
                Begun::Body => {
                    // The body is made and first polled in one visit to its call.
                    let running = self.enter();
                    self.make(body);
                    return self.poll_entered(body, running, cx);
                }
            }
        }
        self.poll_body(body, cx)
    }

    /// The same, for callers that do not ask how it ended.
    pub(super) fn poll_result(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<T, E>> {
        self.poll(body, cx).map(|(result, _)| result)
    }

    /// Makes what runs on this thread part of the call, until the answer is dropped.
    pub(super) fn enter(&self) -> Option<Entered> {
        match &self.phase {
            Phase::Body(Holding::Held(held)) => Some(held.current().enter()),
            Phase::Body(Holding::Nothing(current)) => Some(current.clone().enter()),
            _ => None,
        }
    }

    /// Makes the body's future, in the call's span. To be called within the call.
    pub(super) fn make(&mut self, body: &mut dyn Body<T, E>) {
        let Phase::Body(holding) = &mut self.phase else { return };
        let _entered = self.span.enter();
        match holding {
            Holding::Held(held) => held.make(|| body.make()),
            Holding::Nothing(_) => body.make(),
        }
    }

    /// The body, and then its end. Dropped within the body, the key is held.
    pub(super) fn poll_body(
        &mut self,
        body: &mut dyn Body<T, E>,
        cx: &mut Context<'_>,
    ) -> Poll<Done<T, E>> {
        let running = self.enter();
        self.poll_entered(body, running, cx)
    }

    fn poll_entered(
        &mut self,
        body: &mut dyn Body<T, E>,
        running: Option<Entered>,
        cx: &mut Context<'_>,
    ) -> Poll<Done<T, E>> {
        let Phase::Body(holding) = &mut self.phase else { return self.poll_end(cx) };
        if let Holding::Held(held) = holding {
            held.start();
        }
        let entered = self.span.enter();
        let result = ready!(body.poll(cx));
        drop(entered);
        drop(running);
        body.end();
        self.settle(result, cx)
    }

    /// Begins to record the end.
    fn settle(&mut self, result: Result<T, E>, cx: &mut Context<'_>) -> Poll<Done<T, E>> {
        let held = match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Body(Holding::Held(held)) => held,
            Phase::Body(Holding::Nothing(_)) => return Poll::Ready((result, Ended::Unrecorded)),
            _ => return Poll::Ready((result, Ended::Executed)),
        };
        let settlement = self.policy.settlement(&result, &held);
        let _entered = self.span.enter();
        let Some(mut settling) = held.settle(settlement) else {
            return Poll::Ready((result, Ended::Executed));
        };
        if Pin::new(&mut settling).poll(cx).is_ready() {
            return Poll::Ready((result, Ended::Executed));
        }
        self.phase = Phase::Recording(Box::new(Recording { result, settling }));
        Poll::Pending
    }

    /// Goes on recording the end.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Done<T, E>> {
        let Phase::Recording(recording) = &mut self.phase else {
            return Poll::Pending;
        };
        let entered = self.span.enter();
        ready!(Pin::new(&mut recording.settling).poll(cx));
        drop(entered);
        match mem::replace(&mut self.phase, Phase::Over) {
            Phase::Recording(recording) => Poll::Ready((recording.result, Ended::Executed)),
            _ => Poll::Pending,
        }
    }

    pub(super) fn refuse(&self, error: Error) -> Done<T, E> {
        (self.policy.refuse(error), Ended::Refused)
    }

    /// What a body is told that did not start within its lease.
    pub(super) fn too_late(&self) -> Option<Error> {
        match &self.phase {
            Phase::Body(Holding::Held(held)) => held.too_late(),
            _ => None,
        }
    }

    /// What a caller is told whose running body the runtime shut down.
    pub(super) fn cut_short(&self) -> impl FnOnce() -> E + use<T, E> {
        let refusal = self.policy.refusal();
        let id: Option<RecordId> = match &self.phase {
            Phase::Body(Holding::Held(held)) => Some(held.id().clone()),
            _ => None,
        };
        let operation = self.span.operation();
        move || {
            let error = match &id {
                Some(id) => Error::of(ErrorKind::InProgress, id),
                None => Error::new(ErrorKind::InProgress, operation),
            };
            refusal(error.detail("the runtime shut the running call down"))
        }
    }

    /// The key, if it is held, the call, and what to do with results: for whoever runs the work elsewhere.
    pub(super) fn into_parts(self) -> (Option<Held>, Option<Current>, Policy<T, E>) {
        let (held, current) = match self.phase {
            Phase::Body(Holding::Held(held)) => {
                let current = held.current();
                (Some(held), Some(current))
            }
            Phase::Body(Holding::Nothing(current)) => (None, Some(current)),
            _ => (None, None),
        };
        (held, current, self.policy)
    }
}

/// How a call ends.
pub(super) type Done<T, E> = (Result<T, E>, Ended);
