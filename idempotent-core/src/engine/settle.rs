//! Recording a call's end: a few tries while the caller waits, more in a task while the lease lasts.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::Idempotency;
use super::held::Held;
use super::telemetry::{Telemetry, Transition};
use crate::record::{Record, RecordId};
use crate::store::{Complete, CompleteOutcome, Release, StoreError};

/// How a call ends.
pub(crate) enum Settlement {
    /// The record is completed, and kept for `ttl`, or the operation's own.
    Complete { record: Record, ttl: Option<Duration> },
    /// The key is vacant at once.
    Release,
    /// The key stays reserved until its lease ends.
    Hold,
}

/// What a result is recorded by.
#[derive(Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub(crate) id: &'a RecordId,
    pub(crate) reservation: &'a Record,
    pub(crate) max_result_bytes: usize,
}

/// The tries that the caller waits for, as shares of the time that one store call may take: one that
/// hangs leaves time for another, and together they take no longer than that and the pauses.
const INLINE_SHARES: [u32; 3] = [2, 4, 4];
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Completes the call with a store that never waits, and says whether that is done.
pub(super) fn settle_now(held: &Held, settlement: &Settlement) -> bool {
    let Settlement::Complete { record, ttl } = settlement else { return false };
    let ttl = ttl.unwrap_or(held.ttl);
    let request = Complete::new(held.id(), held.reservation(), record, ttl);
    let watch = Telemetry::store_call(Transition::Complete);
    let Some(answer) = held.engine.store().complete_now(&request) else { return false };
    watch.end(answer.as_ref().err());
    match answer {
        Ok(outcome) => report(held, &outcome),
        Err(error) => {
            report_try(held, &error);
            return false;
        }
    }
    true
}

/// Ends the call. When the store fails, the caller has its result soon all the same.
pub(super) async fn settle(held: Held, settlement: Settlement) {
    match settlement {
        Settlement::Hold => return,
        // Should the store never take the release, the key lapses with its lease.
        Settlement::Release => held.beat.stop(),
        Settlement::Complete { .. } => {}
    }
    let mut pause = FIRST_PAUSE;
    let patience = held.engine.settings().store_timeout;
    for (tried, share) in INLINE_SHARES.into_iter().enumerate() {
        if tried > 0 {
            sleep(pause).await;
            pause *= 2;
        }
        match settle_once(&held, &settlement, patience / share).await {
            Ok(()) => return,
            Err(error) => report_try(&held, &error),
        }
    }
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(keep_trying(held, settlement, pause));
    }
}

/// Goes on while the lease lasts, and then gives the result up for lost.
async fn keep_trying(held: Held, settlement: Settlement, mut pause: Duration) {
    while !held.beat.remaining().is_zero() {
        sleep(pause.min(held.beat.remaining())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match settle_once(&held, &settlement, Duration::MAX).await {
            Ok(()) => return,
            Err(error) => report_try(&held, &error),
        }
    }
    if matches!(settlement, Settlement::Complete { .. }) {
        Telemetry::lost_result(held.id());
    }
}

fn report_try(held: &Held, error: &StoreError) {
    tracing::warn!(
        record = %held.id(),
        error = error as &dyn std::error::Error,
        "the end of a call could not be recorded yet"
    );
}

async fn settle_once(
    held: &Held,
    settlement: &Settlement,
    limit: Duration,
) -> Result<(), StoreError> {
    let Held { engine, ttl, .. } = held;
    let (id, reservation) = (held.id(), held.reservation());
    // A call that hangs must not outlive what it means to end.
    let limit = limit.min(reservation.lease());
    match settlement {
        Settlement::Hold => Ok(()),
        Settlement::Release => {
            let request = Release::new(id, reservation);
            let call = engine.store().release(&request);
            engine.0.transition(held.beat.pulse(), Transition::Release, limit, call).await
        }
        Settlement::Complete { record, ttl: own } => {
            let request = Complete::new(id, reservation, record, own.unwrap_or(*ttl));
            let call = engine.store().complete(&request);
            let pulse = held.beat.pulse();
            let outcome = engine.0.transition(pulse, Transition::Complete, limit, call).await?;
            report(held, &outcome);
            Ok(())
        }
    }
}

fn report(held: &Held, outcome: &CompleteOutcome) {
    match outcome {
        CompleteOutcome::Recorded if held.beat.is_lost() => Telemetry::late(held.id()),
        CompleteOutcome::Recorded => {}
        CompleteOutcome::Superseded(entry) => Telemetry::superseded(held.id(), entry.state),
        CompleteOutcome::Gone => Telemetry::lost_result(held.id()),
    }
}

/// What is known of a reservation that nobody will use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// It was won.
    Won,
    /// The answer to its reserve is lost, or late: the request itself may still be on its way.
    Unanswered,
}

/// Releases a reservation that nobody will use, in a task.
pub(super) fn abandon(engine: &Idempotency, id: RecordId, reservation: Record, unused: Unused) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let Some(permit) = engine.0.heartbeats.cleanup() else {
        // So many at once means that the store is down: their leases end by themselves.
        Telemetry::not_released(&id);
        return;
    };
    let engine = engine.clone();
    runtime.spawn(async move {
        let released = release_once(&engine, &id, &reservation).await;
        if unused == Unused::Unanswered || !released {
            sleep(engine.settings().store_timeout.min(reservation.lease())).await;
            release_once(&engine, &id, &reservation).await;
        }
        drop(permit);
    });
}

/// Says whether the store took the release.
async fn release_once(engine: &Idempotency, id: &RecordId, reservation: &Record) -> bool {
    let request = Release::new(id, reservation);
    let call = engine.store().release(&request);
    let answer = engine.0.call(Transition::Release, reservation.lease(), call).await;
    if let Err(error) = &answer {
        tracing::debug!(
            record = %id,
            error = error as &dyn std::error::Error,
            "an unused reservation could not be released; its lease will end it"
        );
    }
    answer.is_ok()
}
