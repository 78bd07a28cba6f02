//! What is seen from outside: one span a call, log lines, and with feature `metrics` the metrics.
//!
//! The crate's front page lists the span's fields and the metrics.

use std::future::Future;
use std::time::Duration;

use tracing::instrument::Instrumented;
use tracing::span::Entered;
use tracing::{Instrument, Span, field};

use super::Elsewhere;
use crate::error::Error;
use crate::operation::{Ended, Operation};
use crate::record::{Guarantee, RecordId};
use crate::store::{State, StoreError};

/// A transition of a record, as metrics and logs name it.
#[derive(Clone, Copy)]
pub(super) enum Transition {
    Reserve,
    Renew,
    Complete,
    Release,
    Wait,
    Operate,
}

impl Transition {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Renew => "renew",
            Self::Complete => "complete",
            Self::Release => "release",
            Self::Wait => "wait",
            Self::Operate => "operate",
        }
    }
}

/// The span of one call.
#[derive(Clone)]
pub(crate) struct CallSpan {
    span: Span,
    operation: &'static str,
    attempts: u32,
}

impl CallSpan {
    pub(crate) fn new(operation: &Operation) -> Self {
        let span = tracing::info_span!(
            "idempotent",
            operation = operation.name,
            outcome = field::Empty,
            attempt = 1_u32,
            waited_ms = field::Empty,
        );
        Self { span, operation: operation.name, attempts: 1 }
    }

    pub(crate) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    pub(crate) fn instrument<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.span.clone())
    }

    /// `future` in this span, going on elsewhere if it is dropped.
    pub(super) fn elsewhere<F>(&self, future: F) -> Elsewhere<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        if self.span.is_disabled() {
            Elsewhere::new(future)
        } else {
            Elsewhere::new(self.instrument(future))
        }
    }

    pub(super) fn another_attempt(&mut self) {
        self.attempts += 1;
        self.span.record("attempt", self.attempts);
    }

    pub(super) fn waited(&self, waited: Duration) {
        self.span.record("waited_ms", waited.as_millis() as u64);
    }

    pub(crate) fn ended(&self, ended: Ended) {
        self.outcome(ended.as_str());
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.outcome(error.code());
    }

    fn outcome(&self, outcome: &'static str) {
        self.span.record("outcome", outcome);
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_calls_total", "operation" => self.operation, "outcome" => outcome
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = self.operation;
    }
}

/// Log lines and counters of what happens outside the straight way.
pub(crate) struct Telemetry;

impl Telemetry {
    pub(super) fn store_call(transition: Transition) -> Watch {
        Watch {
            transition,
            #[cfg(feature = "metrics")]
            start: std::time::Instant::now(),
        }
    }

    pub(super) fn waited(_waited: Duration) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("idempotent_wait_seconds").record(_waited.as_secs_f64());
    }

    pub(super) fn in_flight(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_in_flight").increment(f64::from(_change));
    }

    pub(super) fn lost_result(id: &RecordId) {
        tracing::error!(
            record = %id,
            "a finished call's result could not be recorded: a retry will not replay it"
        );
        count("idempotent_lost_results_total", id);
    }

    pub(super) fn lost_lease(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "a running call lost its lease: another caller may run the body beside it"
        );
        count("idempotent_lost_leases_total", id);
    }

    pub(super) fn max_run(id: &RecordId) {
        tracing::warn!(record = %id, "a running call reached its max_run: its lease is not renewed");
    }

    pub(super) fn late(id: &RecordId) {
        tracing::warn!(record = %id, "a call that had lost its lease was recorded all the same");
    }

    pub(super) fn superseded(id: &RecordId, state: State) {
        tracing::warn!(
            record = %id,
            successor = ?state,
            "a call ended after another one had taken its key: the body may have run twice, and \
             the other one's record stands"
        );
        count("idempotent_superseded_total", id);
    }

    pub(super) fn dropped(id: &RecordId, guarantee: Guarantee) {
        let panicked = std::thread::panicking();
        tracing::warn!(
            record = %id,
            guarantee = guarantee.as_str(),
            panicked,
            "a body was dropped while it ran: its key stays reserved until the lease ends"
        );
        count("idempotent_dropped_total", id);
    }

    pub(super) fn dropped_within(id: &RecordId) {
        let panicked = std::thread::panicking();
        tracing::warn!(
            record = %id,
            panicked,
            "a body was dropped while it ran within a transaction, which cannot be committed now"
        );
        count("idempotent_dropped_total", id);
    }

    pub(super) fn not_released(id: &RecordId) {
        tracing::warn!(record = %id, "too many unused reservations to release; leases end them");
    }

    /// A result that is delivered, and leaves a tombstone.
    pub(crate) fn not_kept(id: &RecordId, why: &str) {
        tracing::warn!(record = %id, why, "a result is not kept: retries are refused");
        count("idempotent_tombstones_total", id);
    }

    pub(crate) fn not_encodable(id: &RecordId, error: &rmp_serde::encode::Error) {
        tracing::error!(
            record = %id,
            error = error as &dyn std::error::Error,
            "a result could not be encoded: its caller has it, and retries are refused"
        );
        count("idempotent_tombstones_total", id);
    }
}

fn count(_counter: &'static str, _id: &RecordId) {
    #[cfg(feature = "metrics")]
    metrics::counter!(_counter, "operation" => _id.operation().to_owned()).increment(1);
}

/// Times one call of the store.
pub(super) struct Watch {
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    transition: Transition,
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
}

impl Watch {
    pub(super) fn end(self, _error: Option<&StoreError>) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "idempotent_store_seconds",
            "transition" => self.transition.as_str(),
            "result" => if _error.is_some() { "error" } else { "ok" },
        )
        .record(self.start.elapsed().as_secs_f64());
    }
}
