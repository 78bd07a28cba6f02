//! [`CallEnd`]: what an engine's observer learns about each call that ended.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::model::CallOutcome;

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

/// A call that an observer will hear of. It hears nothing of a call that is dropped before its end.
pub(crate) struct ObservedCall {
    observer: OutcomeObserver,
    operation: &'static str,
    start: Instant,
}

impl OutcomeObserver {
    pub(super) fn observe(&self, operation: &'static str) -> Box<ObservedCall> {
        Box::new(ObservedCall { observer: self.clone(), operation, start: Instant::now() })
    }
}

impl ObservedCall {
    pub(crate) fn ended(&self, outcome: CallOutcome) {
        self.report(outcome, None);
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.report(CallOutcome::Refused, Some(error));
    }

    fn report(&self, outcome: CallOutcome, refusal: Option<&Error>) {
        let took = self.start.elapsed();
        (self.observer.0)(&CallEnd { operation: self.operation, outcome, refusal, took });
    }
}
