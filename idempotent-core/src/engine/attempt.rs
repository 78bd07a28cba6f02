//! One attempt to reserve: won, replayed, or busy.

use std::time::Duration;

use tokio::time::Instant;

use super::check::Standing;
use super::elsewhere::Elsewhere;
use super::heartbeat::NoRuntime;
use super::held::Held;
use super::prepare::{Prepared, Request};
use super::settle;
use super::telemetry::{CallSpan, Transition};
use crate::error::{Error, ErrorKind};
use crate::record::{Record, RecordId};
use crate::store::{Entry, Reserve, ReserveOutcome, StoreError, StoreErrorKind};

/// What an attempt came to.
pub(crate) enum Attempt {
    /// The call ended before: decode this.
    Replay(Box<Found>),
    /// The caller runs the body.
    Won(Held),
    /// The store cannot be asked, and the engine fails open: the caller runs the body unrecorded.
    Unrecorded,
    /// Another call runs.
    Busy(Box<Busy>),
}

/// A completed record and its identity.
pub(crate) struct Found {
    pub(crate) id: RecordId,
    pub(crate) record: Record,
}

/// A call that found another one running.
pub(crate) struct Busy {
    pub(super) prepared: Prepared,
    pub(super) token: crate::record::Token,
    pub(super) remaining: Option<Duration>,
}

impl Busy {
    /// What a caller that does not wait is told.
    pub(crate) fn refusal(&self) -> Error {
        self.prepared.in_progress(self.remaining)
    }
}

/// The first attempt of a call. Dropped while the store's answer is on its way, it goes on as a
/// task, and what it won is released.
pub(crate) fn first_attempt(
    request: Request,
    span: &CallSpan,
) -> Elsewhere<Result<Attempt, Error>> {
    let span = span.clone();
    Elsewhere::new(span.instrument(async move { attempt(request.prepare()?, Asking::First).await }))
}

/// What the caller knows when it asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// Nothing.
    First,
    /// That another call ran a moment ago; and it has only so long to wait for an answer.
    Again(Duration),
}

/// Asks the store once.
pub(super) async fn attempt(prepared: Prepared, asking: Asking) -> Result<Attempt, Error> {
    let engine = prepared.engine.clone();
    // The lease counts from here: the store may have granted it at any moment after.
    let sent = Instant::now();
    let request = Reserve::new(&prepared.id, prepared.envelope());
    let limit = match asking {
        Asking::First => prepared.lease,
        Asking::Again(left) => prepared.lease.min(left),
    };
    let answer = engine.0.call(Transition::Reserve, limit, engine.store().reserve(&request)).await;
    match answer {
        Ok(ReserveOutcome::Won) => {
            let record = request.record().clone();
            won(prepared, record, sent).await
        }
        Ok(ReserveOutcome::Taken(entry)) => taken(prepared, entry),
        Err(error) => {
            let written = request.is_written().then(|| request.record().clone());
            let timed_out = error.kind() == StoreErrorKind::Timeout;
            let refusal = failed(&prepared, written, &error);
            match (refusal, asking) {
                (Some(refusal), _) => Err(refusal),
                // Its own time was up, which says nothing of the store.
                (None, Asking::Again(left)) if timed_out && sent.elapsed() >= left => {
                    Err(prepared.in_progress(None))
                }
                (None, Asking::First) if engine.settings().fail_open => {
                    Ok(unrecorded(&prepared, &error))
                }
                (None, _) => Err(unavailable(&prepared.id, error)),
            }
        }
    }
}

async fn won(prepared: Prepared, record: Record, sent: Instant) -> Result<Attempt, Error> {
    let engine = prepared.engine.clone();
    let (lease, max_run) = (prepared.lease, prepared.max_run);
    let lapsed = sent.elapsed() >= lease;
    let beat = engine
        .0
        .heartbeats
        .current()
        .map(|pulse| pulse.register(prepared.id.clone(), record.clone(), lease, max_run, sent));
    match beat {
        Ok(beat) if !lapsed => {
            let held = Held::new(engine, prepared.id, record, prepared.ttl, beat);
            Ok(Attempt::Won(held))
        }
        Ok(_) => {
            // Somebody else may hold the key by now: starting the body would run it twice.
            settle::abandon(&engine, prepared.id.clone(), record);
            Err(granted_too_late(&prepared.id))
        }
        Err(error) => {
            settle::release_once(&engine, &prepared.id, &record).await;
            Err(misconfigured(&prepared, error))
        }
    }
}

fn taken(prepared: Prepared, entry: Entry) -> Result<Attempt, Error> {
    match prepared.check(entry)? {
        Standing::Completed(record) => {
            Ok(Attempt::Replay(Box::new(Found { id: prepared.id, record })))
        }
        Standing::InProgress { token, remaining } => {
            Ok(Attempt::Busy(Box::new(Busy { prepared, token, remaining })))
        }
    }
}

/// What is refused whatever the engine was told to do about a store that cannot be asked.
fn failed(prepared: &Prepared, written: Option<Record>, error: &StoreError) -> Option<Error> {
    if let Err(runtime) = prepared.engine.0.heartbeats.current() {
        return Some(misconfigured(prepared, runtime));
    }
    // The error may have been in the answer alone: the reservation then stands, and nobody holds it.
    if let Some(record) = written {
        settle::abandon(&prepared.engine, prepared.id.clone(), record);
    }
    let malformed = error.kind() == StoreErrorKind::Malformed;
    malformed.then(|| Error::of(ErrorKind::Incompatible, &prepared.id).detail(error.to_string()))
}

fn unrecorded(prepared: &Prepared, error: &StoreError) -> Attempt {
    tracing::error!(
        record = %prepared.id,
        error = error as &dyn std::error::Error,
        "the store cannot be asked and the engine fails open: the body runs without a record"
    );
    Attempt::Unrecorded
}

pub(super) fn misconfigured(prepared: &Prepared, runtime: NoRuntime) -> Error {
    Error::of(ErrorKind::Misconfigured, &prepared.id).detail(runtime.to_string())
}

pub(super) fn granted_too_late(id: &RecordId) -> Error {
    let why = "the body could not start before its lease could have lapsed";
    unavailable(id, StoreError::new(StoreErrorKind::Timeout, why))
}

fn unavailable(id: &RecordId, error: StoreError) -> Error {
    Error::of(ErrorKind::Store, id)
        .detail(error.to_string())
        .retry_in(Some(Duration::from_secs(1)))
        .caused_by(error)
}
