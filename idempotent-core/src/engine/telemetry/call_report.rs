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
/// If it is dropped without an end, the call was dropped, or has panicked. The default is the report of nothing,
/// which allocates nothing: without metrics, that of a call whose span nobody records is one as well. Boxed, since
/// it is a part of the caller's future.
#[derive(Default)]
pub(crate) struct CallReport(Option<Box<Report>>);

struct Report {
    /// `None` if nobody records it.
    span: Option<Span>,
    #[cfg(feature = "metrics")]
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
    #[inline]
    pub(crate) fn start(call: &CallSpan) -> Self {
        if cfg!(not(feature = "metrics")) && call.span.is_disabled() {
            return Self::default();
        }
        Self(Some(Box::new(Report {
            span: (!call.span.is_disabled()).then(|| call.span.clone()),
            #[cfg(feature = "metrics")]
            operation: call.operation,
            due: Due::Dropped,
            #[cfg(feature = "metrics")]
            body_since: None,
        })))
    }

    /// Takes the report over with the key: from here on, the body may run.
    #[inline]
    pub(in crate::engine) fn hand_over(&mut self, id: &RecordId) -> Self {
        let mut taken = mem::take(self);
        if let Some(report) = &mut taken.0 {
            report.is_about(id);
            report.due = Due::Lost(Ended::Dropped);
            #[cfg(feature = "metrics")]
            {
                report.body_since = Some(std::time::Instant::now());
            }
        }
        taken
    }

    /// Notes that the body has ended. The end of its key is still due.
    #[inline]
    pub(in crate::engine) fn body_ended(&mut self, ended: Ended) {
        if let Some(report) = &mut self.0 {
            report.body_ended(ended, CallOutcome::Executed);
        }
    }

    /// Reports the end of a call that held its key.
    #[inline]
    pub(crate) fn ended(&mut self, key: KeyEnd) {
        if let Some(report) = &mut self.0 {
            if let Due::Lost(ended) = report.due {
                report.end(ended.as_str(CallOutcome::Executed), key);
            }
        }
    }

    /// Reports the end of a call whose body ran without a record.
    pub(in crate::engine) fn ended_unrecorded(&mut self, ended: Ended) {
        let Some(report) = &mut self.0 else { return };
        report.body_ended(ended, CallOutcome::Unrecorded);
        if let Due::Lost(ended) = report.due {
            report.end(ended.as_str(CallOutcome::Unrecorded), KeyEnd::Untouched);
        }
    }

    /// Reports a replay.
    #[inline]
    pub(crate) fn replayed(&mut self, id: &RecordId) {
        if let Some(report) = &mut self.0 {
            report.is_about(id);
            report.end(CallOutcome::Replayed.as_str(), KeyEnd::Untouched);
        }
    }

    /// Reports a refusal. `key` is what became of the key, if the call has had it.
    pub(crate) fn refused(&mut self, error: &Error, key: KeyEnd) {
        let Some(report) = &mut self.0 else { return };
        if let Some(id) = error.record_id() {
            report.is_about(id);
        }
        report.end(error.code(), key);
    }

    /// Runs `future` in the call's span, and in the background if it is dropped meanwhile. An instrumented
    /// future is larger, so one is made only if somebody records the span.
    pub(in crate::engine) fn finish_in_background<F>(
        span: Option<Box<Span>>,
        future: F,
    ) -> FinishInBackground<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        match span {
            None => FinishInBackground::new(future),
            Some(span) => FinishInBackground::new(future.instrument(*span)),
        }
    }

    /// The call's span, if somebody records it. Boxed, since hardly anything is moved then if nobody does.
    #[inline]
    pub(crate) fn span(&self) -> Option<Box<Span>> {
        self.0.as_ref()?.span.clone().map(Box::new)
    }
}

impl Report {
    fn body_ended(&mut self, ended: Ended, _returned: CallOutcome) {
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

    /// Names the record. Its id is formatted only if somebody records the span.
    #[inline]
    fn is_about(&self, id: &RecordId) {
        if let Some(span) = &self.span {
            span.record("record", tracing::field::display(id));
        }
    }

    fn end(&mut self, outcome: &'static str, key: KeyEnd) {
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

impl Report {
    /// Reports what nobody has reported.
    #[cold]
    fn end_dropped(&mut self) {
        match self.due {
            Due::Nothing => {}
            Due::Dropped => {
                let panicked = std::thread::panicking();
                let ended = if panicked { Ended::Panicked } else { Ended::Dropped };
                self.end(ended.as_str(CallOutcome::Executed), KeyEnd::Untouched);
            }
            Due::Lost(ended) => self.end(ended.as_str(CallOutcome::Executed), KeyEnd::Lost),
        }
    }
}

impl Drop for CallReport {
    #[inline]
    fn drop(&mut self) {
        if let Some(report) = &mut self.0 {
            report.end_dropped();
        }
    }
}
