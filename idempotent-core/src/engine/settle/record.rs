//! Recording a call's end: a few tries while the caller waits, then more in a task while the lease
//! lasts.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use super::held::HeldReservation;
use super::settlement::Settlement;
use crate::engine::background::FinishInBackground;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::store::{Complete, CompleteOutcome, Release, StoreError};

/// The tries that the caller waits for, as divisors of a store call's timeout. A try that hangs
/// leaves time for another, and together they take no longer than the timeout and the pauses.
const INLINE_SHARES: [u32; 3] = [2, 4, 4];
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl HeldReservation {
    /// Ends the call: at once if the store can, otherwise with the returned future. If that is
    /// dropped halfway, the recording finishes in the background.
    pub(crate) fn settle(mut self, settlement: Settlement) -> Option<FinishInBackground<()>> {
        self.set_ended();
        if complete_locally(&self, &settlement) {
            return None;
        }
        Some(FinishInBackground::new(record(self, settlement)))
    }
}

/// Completes the call in a store that answers without waiting, and returns whether that is done.
fn complete_locally(held: &HeldReservation, settlement: &Settlement) -> bool {
    let Settlement::Complete { record, ttl } = settlement else { return false };
    let Some(local) = held.engine.store().local() else { return false };
    let ttl = ttl.unwrap_or(held.ttl);
    let request = Complete::new(held.id(), held.reservation(), record, ttl);
    let timer = Telemetry::store_call(Transition::Complete);
    let Some(answer) = local.try_complete(&request) else { return false };
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(outcome) => report_outcome(held, &outcome),
        Err(error) => {
            report_failed_try(held, &error);
            return false;
        }
    }
    true
}

/// Records the end. If the store fails, the caller still gets its result soon.
async fn record(held: HeldReservation, settlement: Settlement) {
    match settlement {
        Settlement::Hold => return,
        // If the store never accepts the release, the key lapses with its lease.
        Settlement::Release => held.lease.stop(),
        Settlement::Complete { .. } => {}
    }
    let mut pause = FIRST_PAUSE;
    let patience = held.engine.settings().store_timeout;
    for (tried, share) in INLINE_SHARES.into_iter().enumerate() {
        if tried > 0 {
            sleep(pause).await;
            pause *= 2;
        }
        match record_once(&held, &settlement, patience / share).await {
            Ok(()) => return,
            Err(error) => report_failed_try(&held, &error),
        }
    }
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(keep_trying(held, settlement, pause));
    }
}

/// Keeps trying while the lease lasts; after that the result is lost.
async fn keep_trying(held: HeldReservation, settlement: Settlement, mut pause: Duration) {
    while !held.lease.remaining().is_zero() {
        sleep(pause.min(held.lease.remaining())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        match record_once(&held, &settlement, Duration::MAX).await {
            Ok(()) => return,
            Err(error) => report_failed_try(&held, &error),
        }
    }
    if matches!(settlement, Settlement::Complete { .. }) {
        Telemetry::lost_result(held.id());
    }
}

fn report_failed_try(held: &HeldReservation, error: &StoreError) {
    tracing::warn!(
        record = %held.id(),
        error = error as &dyn std::error::Error,
        "the end of a call could not be recorded yet"
    );
}

async fn record_once(
    held: &HeldReservation,
    settlement: &Settlement,
    limit: Duration,
) -> Result<(), StoreError> {
    let HeldReservation { engine, ttl, .. } = held;
    let (id, reservation) = (held.id(), held.reservation());
    // A store call that hangs must not outlast the reservation that it ends.
    let limit = limit.min(reservation.lease());
    match settlement {
        Settlement::Hold => Ok(()),
        Settlement::Release => {
            let request = Release::new(id, reservation);
            let call = engine.store().release(&request);
            engine.0.transition(held.lease.renewal_task(), Transition::Release, limit, call).await
        }
        Settlement::Complete { record, ttl: own } => {
            let request = Complete::new(id, reservation, record, own.unwrap_or(*ttl));
            let call = engine.store().complete(&request);
            let task = held.lease.renewal_task();
            let outcome = engine.0.transition(task, Transition::Complete, limit, call).await?;
            report_outcome(held, &outcome);
            Ok(())
        }
    }
}

fn report_outcome(held: &HeldReservation, outcome: &CompleteOutcome) {
    match outcome {
        CompleteOutcome::Recorded if held.lease.is_lost() => Telemetry::late(held.id()),
        CompleteOutcome::Recorded => {}
        CompleteOutcome::Superseded(entry) => Telemetry::superseded(held.id(), entry.state),
        CompleteOutcome::Gone => Telemetry::lost_result(held.id()),
    }
}
