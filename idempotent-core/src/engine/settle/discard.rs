//! Releasing a reservation that no call will use.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::engine::drain::InFlightGuard;
use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::model::{Record, RecordId};
use crate::store::{Release, Suspend, WithoutJournal};

/// What is known about a reservation that no call will use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Unused {
    /// It was won.
    Won,
    /// The answer to its reserve request is lost or late: the request itself may still be on its
    /// way.
    Unanswered,
}

/// Releases a reservation that no call will use, in a spawned task.
pub(in crate::engine) fn discard(
    engine: &Idempotency,
    id: RecordId,
    reservation: Record,
    unused: Unused,
) {
    let releasing = engine.clone();
    spawn_bounded(engine, &id.clone(), async move {
        let released = release_once(&releasing, &id, &reservation).await;
        if unused == Unused::Unanswered || !released {
            sleep(releasing.settings().store_timeout.min(reservation.lease())).await;
            release_once(&releasing, &id, &reservation).await;
        }
    });
}

/// Spawns what ends a reservation that has no caller any more, unless so many are being ended that
/// the store must be down. Then this one lapses with its lease.
pub(super) fn spawn_bounded(
    engine: &Idempotency,
    id: &RecordId,
    ending: impl Future<Output = ()> + Send + 'static,
) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let Ok(permit) = Arc::clone(&engine.0.releases).try_acquire_owned() else {
        Telemetry::not_released(id);
        return;
    };
    let in_flight = InFlightGuard::new(engine);
    runtime.spawn(async move {
        ending.await;
        drop((permit, in_flight));
    });
}

/// Returns whether the store accepted the release.
pub(super) async fn release_once(
    engine: &Idempotency,
    id: &RecordId,
    reservation: &Record,
) -> bool {
    let limit = reservation.lease();
    let answer = match engine.store().journal().filter(|_| reservation.has_progress()) {
        // What an earlier run has recorded stays, and its input.
        Some(journal) => {
            let suspended = engine.seal(id, &reservation.abandoned());
            let request = Suspend::new(id, reservation, &suspended)
                .otherwise(WithoutJournal::Abandon(&suspended))
                .due_in(Some(Duration::ZERO));
            engine.0.call(Transition::Suspend, limit, journal.suspend(&request)).await
        }
        None => {
            let request = Release::new(id, reservation);
            engine.0.call(Transition::Release, limit, engine.store().release(&request)).await
        }
    };
    if let Err(error) = &answer {
        tracing::debug!(
            record = %id,
            error = error as &dyn std::error::Error,
            "an unused reservation could not be released; it lapses with its lease"
        );
    }
    answer.is_ok()
}
