//! [`CallEnd`]: what an engine's observer learns about each call that ended. [`Observers`]: everybody who wants to
//! hear of calls.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outcome_listener::OutcomeListener;
use super::telemetry::CallSpan;
use super::trace_context::SharedTraceContext;
use crate::error::Error;
use crate::model::{CallOutcome, TraceParent};

/// A call that has ended. See [`IdempotencyBuilder::on_outcome`](super::IdempotencyBuilder::on_outcome).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallEnd<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// How the call came to its result.
    pub outcome: CallOutcome,
    /// Why the call was refused, if it was.
    pub refusal: Option<&'a Error>,
    /// How long the call took, from its first poll to its result: the body, the store and any wait
    /// for another call included.
    pub took: Duration,
}

/// The observer of an engine.
#[derive(Clone)]
pub(crate) struct OutcomeObserver(pub(super) Arc<dyn Fn(&CallEnd<'_>) + Send + Sync>);

impl fmt::Debug for OutcomeObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutcomeObserver")
    }
}

/// Who wants to hear of an engine's calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observers {
    pub(super) outcomes: Option<OutcomeObserver>,
    pub(super) traces: Option<SharedTraceContext>,
}

/// A call that somebody wants to hear of. They hear nothing of the end of a call that is dropped before it.
pub(crate) struct ObservedCall {
    observers: Observers,
    listener: Option<Arc<OutcomeListener>>,
    operation: &'static str,
    start: Instant,
}

impl Observers {
    /// Boxed, since few calls are observed.
    #[inline]
    pub(super) fn observe(&self, operation: &'static str) -> Option<Box<ObservedCall>> {
        let nobody = self.outcomes.is_none() && self.traces.is_none();
        if nobody && !OutcomeListener::is_used() { None } else { self.observe_call(operation) }
    }

    #[cold]
    fn observe_call(&self, operation: &'static str) -> Option<Box<ObservedCall>> {
        let listener = OutcomeListener::take();
        if self.outcomes.is_none() && self.traces.is_none() && listener.is_none() {
            return None;
        }
        let observers = self.clone();
        Some(Box::new(ObservedCall { observers, listener, operation, start: Instant::now() }))
    }
}

impl ObservedCall {
    /// Where the call runs in a distributed trace.
    pub(crate) fn trace_parent(&self, span: &CallSpan) -> Option<TraceParent> {
        span.trace_parent(self.observers.traces.as_ref()?)
    }

    /// Links the call to the span that ran, as its record names it.
    pub(crate) fn link(&self, span: &CallSpan, executed_in: Option<TraceParent>) {
        if let (Some(traces), Some(parent)) = (&self.observers.traces, executed_in) {
            span.link(traces, parent);
        }
    }

    pub(crate) fn ended(&self, outcome: CallOutcome) {
        self.report(outcome, None);
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.report(CallOutcome::Refused, Some(error));
    }

    fn report(&self, outcome: CallOutcome, refusal: Option<&Error>) {
        if let Some(listener) = &self.listener {
            listener.ended(outcome);
        }
        if let Some(OutcomeObserver(observer)) = &self.observers.outcomes {
            let took = self.start.elapsed();
            observer(&CallEnd { operation: self.operation, outcome, refusal, took });
        }
    }
}
