//! [`CallReport`]: tells a call's span and the metrics how the call ended, once, whichever way it ended.

use std::future::Future;
use std::mem;

use tracing::{Instrument, Span};

use super::call_span::CallSpan;
use super::key_end::KeyEnd;
use crate::engine::background::FinishInBackground;
use crate::error::Error;
use crate::model::{CallOutcome, RecordId};

/// The report of one call. Whoever holds the call's key has it; before that, the call itself.
///
/// If it is dropped without an end, the call was dropped, or has panicked. The default is the report of nothing.
#[derive(Default)]
pub(crate) struct CallReport {
    /// `None` if nobody records the span: then a report allocates nothing.
    span: Option<Box<Span>>,
    operation: &'static str,
    due: Due,
    /// Since when the body runs.
    #[cfg(feature = "metrics")]
    body_since: Option<std::time::Instant>,
}

/// What is to be reported if nothing else is known.
#[derive(Clone, Copy, Default)]
enum Due {
    #[default]
    Nothing,
    /// The call went away before it had its key.
    Dropped,
    /// It went away while it had its key, and nobody has told the store.
    Lost(Ended),
}

/// How the body of a call ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Ended {
    Returned,
    Panicked,
    Dropped,
}

impl CallReport {
    /// The report of a call that starts now.
    pub(crate) fn start(call: &CallSpan) -> Self {
        Self {
            span: (!call.span.is_disabled()).then(|| Box::new(call.span.clone())),
            operation: call.operation,
            due: Due::Dropped,
            #[cfg(feature = "metrics")]
            body_since: None,
        }
    }

    /// Takes the report over with the key: from here on, the body may run.
    pub(in crate::engine) fn hand_over(&mut self, id: &RecordId) -> Self {
        self.is_about(id);
        let mut taken = mem::take(self);
        taken.due = Due::Lost(Ended::Dropped);
        #[cfg(feature = "metrics")]
        {
            taken.body_since = Some(std::time::Instant::now());
        }
        taken
    }

    /// Notes that the body has ended. The end of its key is still due.
    pub(in crate::engine) fn body_ended(&mut self, ended: Ended) {
        self.body_ended_as(ended, CallOutcome::Executed);
    }

    fn body_ended_as(&mut self, ended: Ended, _returned: CallOutcome) {
        if let Due::Lost(due) = &mut self.due {
            *due = ended;
        }
        #[cfg(feature = "metrics")]
        if let Some(start) = self.body_since.take() {
            metrics::histogram!(
                "idempotent_run_seconds",
                "operation" => self.operation, "outcome" => ended.as_str(_returned)
            )
            .record(start.elapsed().as_secs_f64());
        }
    }

    /// Reports the end of a call that held its key.
    pub(crate) fn ended(&mut self, key: KeyEnd) {
        if let Due::Lost(ended) = self.due {
            self.report(ended.as_str(CallOutcome::Executed), key);
        }
    }

    /// Reports the end of a call whose body ran without a record.
    pub(in crate::engine) fn ended_unrecorded(&mut self, ended: Ended) {
        self.body_ended_as(ended, CallOutcome::Unrecorded);
        if let Due::Lost(ended) = self.due {
            self.report(ended.as_str(CallOutcome::Unrecorded), KeyEnd::Untouched);
        }
    }

    /// Reports a replay.
    pub(crate) fn replayed(&mut self, id: &RecordId) {
        self.is_about(id);
        self.report(CallOutcome::Replayed.as_str(), KeyEnd::Untouched);
    }

    /// Reports a refusal. `key` is what became of the key, if the call has had it.
    pub(crate) fn refused(&mut self, error: &Error, key: KeyEnd) {
        if let Some(id) = error.record_id() {
            self.is_about(id);
        }
        self.report(error.code(), key);
    }

    /// Runs `future` in the call's span, and in the background if it is dropped meanwhile. An instrumented
    /// future is larger, so one is made only if somebody records the span.
    pub(in crate::engine) fn finish_in_background<F>(
        span: Option<Span>,
        future: F,
    ) -> FinishInBackground<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match span {
            None => FinishInBackground::new(future),
            Some(span) => FinishInBackground::new(future.instrument(span)),
        }
    }

    /// The call's span, if somebody records it.
    pub(crate) fn span(&self) -> Option<Span> {
        self.span.as_deref().cloned()
    }

    /// Names the record. Its id is formatted only if somebody records the span.
    fn is_about(&self, id: &RecordId) {
        if let Some(span) = &self.span {
            span.record("record", tracing::field::display(id));
        }
    }

    fn report(&mut self, outcome: &'static str, key: KeyEnd) {
        self.due = Due::Nothing;
        if let Some(span) = self.span.take() {
            span.record("outcome", outcome);
            if key != KeyEnd::Untouched {
                span.record("disposition", key.as_str());
            }
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_calls_total",
            "operation" => self.operation, "outcome" => outcome, "disposition" => key.as_str()
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = self.operation;
    }
}

impl Ended {
    const fn as_str(self, returned: CallOutcome) -> &'static str {
        match self {
            Self::Returned => returned.as_str(),
            Self::Panicked => "panicked",
            Self::Dropped => "dropped",
        }
    }
}

impl Drop for CallReport {
    fn drop(&mut self) {
        match self.due {
            Due::Nothing => {}
            Due::Dropped => {
                let panicked = std::thread::panicking();
                let ended = if panicked { Ended::Panicked } else { Ended::Dropped };
                self.report(ended.as_str(CallOutcome::Executed), KeyEnd::Untouched);
            }
            Due::Lost(ended) => self.report(ended.as_str(CallOutcome::Executed), KeyEnd::Lost),
        }
    }
}
