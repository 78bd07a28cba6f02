//! Spans, log lines and metrics: one span per call, and the metrics with the feature `metrics`.
//!
//! The front page of the crate lists the span's fields and the metrics.

use std::future::Future;
use std::time::Duration;

use tracing::instrument::Instrumented;
use tracing::span::Entered;
use tracing::{Instrument, Span, field};

use crate::error::Error;
use crate::model::{CallOutcome, Guarantee, Operation, RecordId};
use crate::store::{State, StoreError};

/// A store call, as metrics and logs name it.
#[derive(Clone, Copy)]
pub(super) enum Transition {
    Reserve,
    Renew,
    Complete,
    Release,
    Abandon,
    WriteStep,
    LoadSteps,
    Resume,
    Suspend,
    Wait,
    Look,
    Count,
    Check,
    Admin,
}

impl Transition {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Renew => "renew",
            Self::Complete => "complete",
            Self::Release => "release",
            Self::Abandon => "abandon",
            Self::WriteStep => "write_step",
            Self::LoadSteps => "load_steps",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Wait => "wait",
            Self::Look => "load",
            Self::Count => "count",
            Self::Check => "check",
            Self::Admin => "operate",
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

    /// The span of a step, within that of its call.
    pub(crate) fn of_step(operation: &Operation) -> Self {
        let span = tracing::info_span!("step", name = operation.name, outcome = field::Empty);
        Self { span, operation: operation.name, attempts: 0 }
    }

    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    pub(crate) fn instrument<F: Future>(&self, future: F) -> Instrumented<F> {
        future.instrument(self.span.clone())
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.span.is_disabled()
    }

    pub(super) fn another_attempt(&mut self) {
        self.attempts += 1;
        self.span.record("attempt", self.attempts);
    }

    pub(super) fn waited(&self, waited: Duration) {
        self.span.record("waited_ms", waited.as_millis() as u64);
    }

    pub(crate) fn ended(&self, ended: CallOutcome) {
        self.outcome(ended.as_str());
    }

    pub(crate) fn refused(&self, error: &Error) {
        self.outcome(error.code());
    }

    fn outcome(&self, outcome: &'static str) {
        self.span.record("outcome", outcome);
        // A step is no call.
        #[cfg(feature = "metrics")]
        if self.attempts == 0 {
            metrics::counter!(
                "idempotent_steps_total", "step" => self.operation, "outcome" => outcome
            )
            .increment(1);
            return;
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_calls_total", "operation" => self.operation, "outcome" => outcome
        )
        .increment(1);
        #[cfg(not(feature = "metrics"))]
        let _ = self.operation;
    }
}

/// The log lines and counters of everything out of the ordinary.
pub(crate) struct Telemetry;

impl Telemetry {
    pub(super) fn store_call(transition: Transition) -> StoreCallTimer {
        StoreCallTimer {
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

    pub(super) fn detached(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_detached").increment(f64::from(_change));
    }

    pub(super) fn not_counted(error: &StoreError) {
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "the store could not count what a scope keeps; the engine goes by what it knew"
        );
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
            "a running call lost its lease: another caller may run the body at the same time"
        );
        count("idempotent_lost_leases_total", id);
    }

    pub(super) fn late_renewals(late: Duration, leases: usize) {
        tracing::warn!(
            ?late,
            leases,
            "leases are renewed late: something blocks the threads of the runtime, or there are too few of \
             them; if a lease lapses, another caller runs the body at the same time"
        );
    }

    pub(super) fn max_run(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "a running call reached its max_run: its lease is no longer renewed"
        );
    }

    pub(super) fn late(id: &RecordId) {
        tracing::warn!(record = %id, "a call that had lost its lease was recorded nevertheless");
    }

    pub(super) fn superseded(id: &RecordId, state: State) {
        tracing::warn!(
            record = %id,
            successor = ?state,
            "a call ended after another one had taken its key: the body may have run twice, and \
             the other call's record is kept"
        );
        count("idempotent_superseded_total", id);
    }

    pub(super) fn dropped(id: &RecordId, guarantee: Guarantee, panicked: bool) {
        let guarantee = guarantee.as_str();
        if panicked {
            tracing::warn!(record = %id, guarantee, "a call panicked before its end was known");
        } else {
            tracing::warn!(
                record = %id,
                guarantee,
                "a body was dropped while it ran: its key is held until the lease lapses"
            );
        }
        count("idempotent_dropped_total", id);
    }

    /// A body that ended and does not know what it did.
    pub(super) fn unknown_end(id: &RecordId, error: Option<&str>) {
        tracing::warn!(record = %id, error, "a body ended, and its outcome is unknown");
        count("idempotent_unknown_outcomes_total", id);
    }

    pub(super) fn dropped_in_transaction(id: &RecordId) {
        let panicked = std::thread::panicking();
        tracing::warn!(
            record = %id,
            panicked,
            "a body was dropped while it ran in a transaction: the transaction cannot be committed"
        );
        count("idempotent_dropped_total", id);
    }

    pub(super) fn not_released(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "too many unused reservations are being released: this one lapses with its lease"
        );
    }

    /// The store is down: new calls are refused from now on, until a probe succeeds.
    pub(super) fn circuit_opened(error: &StoreError, failures: u32) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            failures,
            "the store does not answer and the circuit opens: new calls are refused at once until a probe succeeds"
        );
        Self::open_circuits(1);
    }

    pub(super) fn circuit_closed(open_for: Duration, refused: u64) {
        tracing::info!(?open_for, refused, "the store answers again and the circuit closes");
        Self::open_circuits(-1);
    }

    pub(super) fn open_circuits(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_circuit_open").increment(f64::from(_change));
    }

    pub(super) fn refused_by_circuit() {
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_circuit_refusals_total").increment(1);
    }

    /// A result that the caller receives, and that leaves a tombstone.
    pub(crate) fn not_kept(id: &RecordId, why: &str) {
        tracing::warn!(record = %id, why, "a result is not kept: retries will be refused");
        count("idempotent_tombstones_total", id);
    }

    /// A result that a replay would not return. Its caller is refused, and it leaves a tombstone.
    pub(crate) fn not_replayable(id: &RecordId, error: &Error) {
        tracing::error!(
            record = %id,
            error = error as &dyn std::error::Error,
            "a replay would not return this result: its caller is refused, and so are retries"
        );
        count("idempotent_tombstones_total", id);
    }

    pub(crate) fn not_encodable(id: &RecordId, error: &rmp_serde::encode::Error) {
        tracing::error!(
            record = %id,
            error = error as &dyn std::error::Error,
            "a result could not be encoded: the caller received it, but retries will be refused"
        );
        count("idempotent_tombstones_total", id);
    }
}

fn count(_counter: &'static str, _id: &RecordId) {
    #[cfg(feature = "metrics")]
    metrics::counter!(_counter, "operation" => _id.operation().to_owned()).increment(1);
}

/// Times one store call.
pub(super) struct StoreCallTimer {
    #[cfg_attr(not(feature = "metrics"), allow(dead_code))]
    transition: Transition,
    #[cfg(feature = "metrics")]
    start: std::time::Instant,
}

impl StoreCallTimer {
    pub(super) fn stop(self, _error: Option<&StoreError>) {
        #[cfg(feature = "metrics")]
        metrics::histogram!(
            "idempotent_store_seconds",
            "transition" => self.transition.as_str(),
            "result" => if _error.is_some() { "error" } else { "ok" },
        )
        .record(self.start.elapsed().as_secs_f64());
    }
}
