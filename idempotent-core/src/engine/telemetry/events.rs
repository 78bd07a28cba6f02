//! The log lines and counters of everything out of the ordinary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::store_call::{StoreCallTimer, Transition};
use crate::error::Error;
use crate::model::{Guarantee, RecordId};
use crate::store::{State, StoreError};

/// The log lines and counters of everything out of the ordinary.
pub(crate) struct Telemetry;

impl Telemetry {
    pub(in crate::engine) fn store_call(transition: Transition) -> StoreCallTimer {
        StoreCallTimer::start(transition)
    }

    pub(in crate::engine) fn waited(_waited: Duration) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("idempotent_wait_seconds").record(_waited.as_secs_f64());
    }

    pub(in crate::engine) fn in_flight(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_in_flight").increment(f64::from(_change));
    }

    pub(in crate::engine) fn detached(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_detached").increment(f64::from(_change));
    }

    pub(in crate::engine) fn not_counted(error: &StoreError) {
        tracing::debug!(
            error = error as &dyn std::error::Error,
            "the store could not count what a scope keeps; the engine goes by what it knew"
        );
    }

    pub(in crate::engine) fn lost_result(id: &RecordId) {
        tracing::error!(
            record = %id,
            "a finished call's result could not be recorded: a retry will not replay it"
        );
        count("idempotent_lost_results_total", id);
    }

    pub(in crate::engine) fn lost_lease(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "a running call lost its lease: another caller took it over, or somebody released, resolved or purged it, so the body \
             may run a second time meanwhile"
        );
        count("idempotent_lost_leases_total", id);
    }

    pub(in crate::engine) fn retaken_lease(id: &RecordId) {
        tracing::info!(
            record = %id,
            "a running call that was cut off from its store has its key again, which nobody had taken"
        );
    }

    pub(in crate::engine) fn late_renewals(late: Duration, leases: usize) {
        tracing::warn!(
            ?late,
            leases,
            "leases are renewed late: something blocks the threads of the runtime, or there are too few of \
             them; if a lease lapses, another caller runs the body at the same time"
        );
    }

    pub(in crate::engine) fn max_run(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "a running call reached its max_run: its lease is no longer renewed"
        );
    }

    pub(in crate::engine) fn late(id: &RecordId) {
        tracing::warn!(record = %id, "a call that had lost its lease was recorded nevertheless");
    }

    pub(in crate::engine) fn superseded(id: &RecordId, state: State) {
        tracing::warn!(
            record = %id,
            successor = ?state,
            "a call ended after another one had taken its key: the body may have run twice, and \
             the other call's record is kept"
        );
        count("idempotent_superseded_total", id);
    }

    pub(in crate::engine) fn dropped(id: &RecordId, guarantee: Guarantee, panicked: bool) {
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
    pub(in crate::engine) fn unknown_end(id: &RecordId, error: Option<&str>) {
        tracing::warn!(record = %id, error, "a body ended, and its outcome is unknown");
        count("idempotent_unknown_outcomes_total", id);
    }

    pub(in crate::engine) fn dropped_in_transaction(id: &RecordId, panicked: bool) {
        tracing::warn!(
            record = %id,
            panicked,
            "a body was dropped while it ran in a transaction: the transaction cannot be committed"
        );
        count("idempotent_dropped_total", id);
    }

    pub(in crate::engine) fn not_released(id: &RecordId) {
        tracing::warn!(
            record = %id,
            "too many unused reservations are being released: this one lapses with its lease"
        );
    }

    /// The store is down: new calls are refused from now on, until a probe succeeds.
    pub(in crate::engine) fn circuit_opened(error: &StoreError, failures: u32) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            failures,
            "the store does not answer and the circuit opens: new calls are refused at once until a probe succeeds"
        );
        Self::open_circuits(1);
    }

    pub(in crate::engine) fn circuit_closed(open_for: Duration, refused: u64) {
        tracing::info!(?open_for, refused, "the store answers again and the circuit closes");
        Self::open_circuits(-1);
    }

    pub(in crate::engine) fn open_circuits(_change: i8) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_circuit_open").increment(f64::from(_change));
    }

    pub(in crate::engine) fn refused_by_circuit() {
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_circuit_refusals_total").increment(1);
    }

    /// A call that a recovery has taken, and runs.
    pub(in crate::engine) fn resumed(id: &RecordId, attempt: u32) {
        tracing::info!(record = %id, attempt, "an interrupted call is resumed");
        count("idempotent_resumed_total", id);
    }

    /// A call that waits until somebody resumes or resolves it.
    pub(in crate::engine) fn parked(id: &RecordId, why: &str) {
        tracing::error!(record = %id, why, "an interrupted call is parked: resume or resolve it");
        count("idempotent_parked_total", id);
    }

    /// A recovery begins, so that the first call of an operation that it parks is an increase.
    pub(in crate::engine) fn may_park(_operation: &str) {
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_parked_total", "operation" => _operation.to_owned())
            .increment(0);
    }

    /// A run that may not go on.
    pub(in crate::engine) fn poisoned(id: &RecordId, why: &str) {
        tracing::warn!(record = %id, why, "a run may not go on: its call is suspended");
        count("idempotent_poisoned_total", id);
    }

    /// A body that went on after a step's `Err` and returned one itself, neither of which is recorded. Logged once for each
    /// operation and name of a step.
    pub(in crate::engine) fn gone_on(id: &RecordId, step: &str) {
        static LOGGED: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());
        // Keys are without number.
        let name = step.split('[').next().unwrap_or(step);
        let pair = (id.operation().to_owned(), name.to_owned());
        if LOGGED.lock().unwrap_or_else(PoisonError::into_inner).insert(pair) {
            tracing::warn!(
                operation = id.operation(),
                step = name,
                "a body went on to other steps after an `Err` of this one and then returned an `Err` itself, and neither is \
                 recorded: its next run tries the step again, also if the body has made up for it. Record what is final, \
                 with `memoize = all` at the step or the call"
            );
        }
    }

    /// Steps that were written to a journal.
    pub(in crate::engine) fn journal_bytes(_id: &RecordId, _bytes: usize) {
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_journal_bytes_total",
            "operation" => _id.operation().to_owned(),
        )
        .increment(_bytes as u64);
    }

    /// For how long the call has been due that is due for longest.
    pub(in crate::engine) fn oldest_due(_oldest: Duration) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_oldest_suspended_seconds").set(_oldest.as_secs_f64());
    }

    /// A call within one that can be resumed for longer. Logged once for each pair of operations.
    pub(in crate::engine) fn short_lived_nested(
        outer: &RecordId,
        nested: &str,
        ttl: Duration,
        kept_for: Duration,
    ) {
        static LOGGED: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());
        let pair = (outer.operation().to_owned(), nested.to_owned());
        if LOGGED.lock().unwrap_or_else(PoisonError::into_inner).insert(pair) {
            tracing::warn!(
                operation = outer.operation(),
                nested,
                ?ttl,
                ?kept_for,
                "the result of a nested call is kept for less time than the call around it can be resumed: a run that \
                 resumes once it has expired makes the nested call again; give that a longer ttl, or make it a step"
            );
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_short_lived_nested_total",
            "operation" => outer.operation().to_owned(),
            "nested" => nested.to_owned()
        )
        .increment(1);
    }

    /// Says which version runs. A recorder that is installed later is told when somebody asks for the health.
    pub(in crate::engine) fn build_info() {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    }

    /// How many records are indeterminate, by operation. Operations that are no longer among them have none.
    pub(in crate::engine) fn indeterminate(
        counted: &Mutex<BTreeSet<String>>,
        counts: &BTreeMap<String, u64>,
    ) {
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.extend(counts.keys().cloned());
        #[cfg(feature = "metrics")]
        for operation in counted.iter() {
            let count = counts.get(operation).copied().unwrap_or_default();
            metrics::gauge!("idempotent_indeterminate_records", "operation" => operation.clone())
                .set(count as f64);
        }
    }

    /// What another system said of a call in doubt, and what came of it.
    pub(in crate::engine) fn reconciled(id: &RecordId, outcome: &'static str, dry_run: bool) {
        match outcome {
            "ended" | "never_happened" => {
                tracing::info!(record = %id, outcome, dry_run, "a call in doubt was asked about, and is settled");
            }
            _ => tracing::debug!(record = %id, outcome, "a call in doubt was asked about"),
        }
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "idempotent_reconcile_asks_total",
            "operation" => id.operation().to_owned(),
            "outcome" => outcome
        )
        .increment(1);
    }

    pub(in crate::engine) fn reconciliation_refused(id: &RecordId, error: &Error) {
        tracing::error!(
            record = %id,
            error = error as &dyn std::error::Error,
            "what became of a call in doubt is known, and cannot be recorded: somebody must resolve it"
        );
    }

    /// For how long the oldest call in doubt of an operation has been so.
    pub(in crate::engine) fn oldest_in_doubt(_operation: &str, _oldest: Duration) {
        #[cfg(feature = "metrics")]
        metrics::gauge!("idempotent_reconcile_oldest_seconds", "operation" => _operation.to_owned())
            .set(_oldest.as_secs_f64());
    }

    /// What somebody resolved a call to is not of the type that the operation returns.
    pub(crate) fn unreadable_resolution(id: &RecordId, type_name: &str) {
        tracing::error!(record = %id, "the resolution of {id} is not a `{type_name}`: `correct` it");
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
