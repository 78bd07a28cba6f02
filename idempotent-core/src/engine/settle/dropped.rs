//! What happens to a key whose body was dropped while it ran.
//!
//! A body that panicked has ended: its outcome is unknown. A future that was dropped may have left
//! work behind, in another process or in a spawned task: its key is held for the lease. A body that
//! has ended, and whose result cannot be judged because that panicked, leaves a tombstone: it must
//! not run again.

use std::borrow::Cow;
use std::time::Duration;

use tracing::Instrument;

use super::discard::{release_once, spawn_bounded};
use super::failed_runs;
use super::settlement::UnknownEnd;
use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::{CallReport, KeyEnd, Transition};
use crate::model::{NotKept, Record, RecordId};
use crate::store::{Abandon, Complete, CompleteOutcome, Suspend, WithoutJournal};

/// Why a call ended without a result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Its body panicked.
    Panicked,
    /// Its future was dropped while the body ran.
    Cancelled,
    /// Its body has ended, and the code that encodes or judges its result panicked.
    Unjudged,
}

/// What the store is told.
enum End {
    Release,
    Abandon(Record),
    Complete(Record, Duration),
    /// A run that another one resumes, or what becomes of its reservation if there is no journal.
    Suspend(Record, Option<Record>),
}

impl Dropped {
    /// The same for a call that another run can resume.
    fn end_with_steps(self, reservation: &Record, journaled: &Record, ttl: Duration) -> End {
        let suspended = |record: &Record| match self {
            Self::Cancelled => Some(record.held()),
            Self::Panicked => Some(record.abandoned().with_last_error("the body panicked")),
            Self::Unjudged => None,
        };
        let plain = self.end(reservation, ttl);
        let Some(record) = suspended(journaled) else { return plain };
        let plain = match plain {
            _ if reservation.has_input() => suspended(reservation),
            End::Abandon(record) => Some(record),
            _ => None,
        };
        End::Suspend(record, plain)
    }

    fn end(self, reservation: &Record, ttl: Duration) -> End {
        match self {
            Self::Cancelled => End::Abandon(reservation.held()),
            Self::Unjudged => End::Complete(reservation.tombstone(NotKept::NotEncodable), ttl),
            Self::Panicked => {
                let error = Some(Cow::Borrowed("the body panicked"));
                let end = UnknownEnd { error, ..UnknownEnd::default() };
                match end.record(reservation) {
                    Some(record) => End::Abandon(record),
                    None => {
                        failed_runs::remember(reservation.token(), None);
                        End::Release
                    }
                }
            }
        }
    }
}

/// Tells the store, in a spawned task that is part of the call. If it does not learn of it, the reservation lapses
/// with its lease.
pub(super) fn settle_dropped(
    engine: &Idempotency,
    id: &RecordId,
    reservation: &Record,
    journaled: Option<&Record>,
    ttl: Duration,
    dropped: Dropped,
    mut report: CallReport,
) {
    let end = match journaled {
        Some(journaled) => dropped.end_with_steps(reservation, journaled, ttl),
        None => dropped.end(reservation, ttl),
    };
    let (told_by, ended, reservation) = (engine.clone(), id.clone(), reservation.clone());
    let telling = async move {
        let (store, limit) = (told_by.store(), reservation.lease());
        let told = match &end {
            End::Release => {
                if release_once(&told_by, &ended, &reservation).await {
                    report.ended(KeyEnd::Released);
                }
                return;
            }
            End::Abandon(record) => {
                let record = told_by.seal(&ended, record);
                let request = Abandon::new(&ended, &reservation, &record);
                let call = told_by.0.call(Transition::Abandon, limit, store.abandon(&request));
                call.await.map(|()| KeyEnd::of(&record))
            }
            End::Suspend(suspended, plain) => {
                let Some(journal) = store.journal() else { return };
                let suspended = told_by.seal(&ended, suspended);
                let plain = plain.as_ref().map(|plain| told_by.seal(&ended, plain));
                let otherwise =
                    plain.as_ref().map_or(WithoutJournal::Release, WithoutJournal::Abandon);
                let attempt = suspended.attempts() + 1;
                let due_in = told_by.settings().resume_backoff.pause(attempt);
                let request = Suspend::new(&ended, &reservation, &suspended)
                    .otherwise(otherwise)
                    .due_in(Some(due_in));
                let call = told_by.0.call(Transition::Suspend, limit, journal.suspend(&request));
                call.await.map(|()| KeyEnd::of(&suspended))
            }
            End::Complete(record, ttl) => {
                let record = told_by.seal(&ended, record);
                let request = Complete::new(&ended, &reservation, &record, *ttl);
                let call = store.complete(&request);
                let call = told_by.0.call(Transition::Complete, limit, call);
                call.await.map(|outcome| match outcome {
                    CompleteOutcome::Recorded => KeyEnd::of(&record),
                    CompleteOutcome::Superseded(_) => KeyEnd::Superseded,
                    CompleteOutcome::Gone => KeyEnd::Lost,
                })
            }
        };
        match told {
            Ok(end) => report.ended(end),
            Err(error) => tracing::debug!(
                record = %ended,
                error = &error as &dyn std::error::Error,
                "the store could not be told of a dropped call; its reservation lapses with its lease"
            ),
        }
    };
    spawn_bounded(engine, id, telling.in_current_span());
}
