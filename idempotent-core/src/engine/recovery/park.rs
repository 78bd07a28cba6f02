//! What becomes of a call that was taken and that no body ran: it is parked, or waits for another attempt.

use std::time::Duration;

use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::model::{Guarantee, Record, RecordId, Runs};
use crate::store::{Suspend, WithoutJournal};

/// Sets a call aside until somebody resumes or resolves it.
pub(super) async fn park(engine: &Idempotency, id: &RecordId, record: &Record, why: &str) {
    let parked = record.with_guarantee(Guarantee::AtMostOnce).abandoned().with_last_error(why);
    if suspend(engine, id, record, &parked, None).await {
        Telemetry::parked(id, why);
    }
}

/// Gives a call back, to be resumed after a pause.
pub(super) async fn give_back(
    engine: &Idempotency,
    id: &RecordId,
    record: &Record,
    why: &str,
    counts: bool,
) {
    let runs = record.runs();
    let attempts = if counts { runs.attempts } else { runs.attempts.saturating_sub(1) };
    let suspended = record.with_runs(Runs { attempts, ..runs }).abandoned().with_last_error(why);
    let pause = engine.settings().resume_backoff.pause(runs.attempts);
    suspend(engine, id, record, &suspended, Some(pause)).await;
}

/// If the store does not learn of it, the reservation lapses with its lease, and the call is resumed after that.
async fn suspend(
    engine: &Idempotency,
    id: &RecordId,
    reservation: &Record,
    suspended: &Record,
    due_in: Option<Duration>,
) -> bool {
    let Some(store) = engine.store().journal() else { return false };
    let suspended = engine.seal(id, suspended);
    let request = Suspend::new(id, reservation, &suspended)
        .otherwise(WithoutJournal::Abandon(&suspended))
        .due_in(due_in);
    let limit = reservation.lease();
    let answer = engine.0.call(Transition::Suspend, limit, store.suspend(&request)).await;
    if let Err(error) = &answer {
        tracing::warn!(
            record = %id,
            error = error as &dyn std::error::Error,
            "a call that was not resumed could not be given back: it lapses with its lease"
        );
    }
    answer.is_ok()
}
