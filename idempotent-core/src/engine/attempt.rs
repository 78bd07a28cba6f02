//! One attempt to reserve: won, replayed, or busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::check::Standing;
use super::elsewhere::Elsewhere;
use super::heartbeat::{NoRuntime, Pulse};
use super::held::Held;
use super::prepare::{Prepared, Request};
use super::running::Current;
use super::settle::{self, Unused};
use super::telemetry::{CallSpan, Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::record::{Guarantee, Record, RecordId, Token};
use crate::store::{Entry, Reserve, ReserveOutcome, StoreError, StoreErrorKind, Written};

/// What an attempt came to.
pub(crate) enum Attempt {
    /// The call ended before: decode this.
    Replay(Found),
    /// The caller runs the body.
    Won(Held),
    /// The store cannot be asked, and the engine fails open: the caller runs the body unrecorded.
    Unrecorded(Current),
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
    pub(super) pulse: Arc<Pulse>,
    pub(super) token: Token,
    pub(super) remaining: Option<Duration>,
}

impl Busy {
    pub(super) fn waits(&self) -> bool {
        self.prepared.operation().wait.is_some()
    }

    /// What a caller that does not wait is told.
    pub(crate) fn refusal(&self) -> Error {
        self.prepared.in_progress(self.remaining)
    }
}

/// Where a call stands before it waits for anything.
pub(super) enum First {
    /// It is decided: the record was at hand, or the call is none.
    Decided(Result<Attempt, Error>),
    /// The store is being asked. Dropped meanwhile, the question goes on as a task, and what it won
    /// is released.
    Asked(Elsewhere<Result<Attempt, Error>>),
}

/// Starts a call.
pub(super) fn first_attempt(request: Box<Request>, span: &CallSpan) -> First {
    let prepared = match request.prepare() {
        Ok(prepared) => prepared,
        Err(error) => return First::Decided(Err(error)),
    };
    if prepared.operation().guarantee == Guarantee::ExactlyOnce {
        return First::Decided(Err(Error::of(ErrorKind::Misconfigured, &prepared.id)
            .detail("a call is made exactly once within a transaction only: run it by `run_in`")));
    }
    if let Some(entry) = prepared.engine.store().at_hand(&prepared.id) {
        return First::Decided(at_hand(&prepared, entry));
    }
    // What is not at hand may have to be waited for, and what is won to be kept alive.
    match prepared.engine.0.heartbeats.current() {
        Ok(pulse) => ask(prepared, pulse, span),
        Err(error) => First::Decided(Err(misconfigured(&prepared.id, error))),
    }
}

/// Asks a store that never waits here and now, which saves a future, and others in one.
fn ask(prepared: Prepared, pulse: Arc<Pulse>, span: &CallSpan) -> First {
    let request = Reserve::new(&prepared.id, prepared.envelope());
    let watch = Telemetry::store_call(Transition::Reserve);
    let Some(answer) = prepared.engine.store().reserve_now(&request) else {
        return First::Asked(span.elsewhere(attempt(prepared, pulse, Asking::First)));
    };
    watch.end(answer.as_ref().err());
    let answer = Answer::to(request, answer);
    First::Decided(answered(prepared, pulse, Asking::First, answer))
}

pub(super) fn at_hand(prepared: &Prepared, entry: Entry) -> Result<Attempt, Error> {
    match prepared.check(entry)? {
        Standing::Completed(record) => {
            Ok(Attempt::Replay(Found { id: prepared.id.clone(), record }))
        }
        Standing::InProgress { .. } => Err(Error::of(ErrorKind::Incompatible, &prepared.id)
            .detail("the store shows a call at hand that has not ended")),
    }
}

/// What the caller knows when it asks.
#[derive(Clone, Copy)]
pub(super) enum Asking {
    /// Nothing.
    First,
    /// That another call ran a moment ago; and it waits for an answer until then.
    Again(Instant),
}

/// Asks the store once.
pub(super) async fn attempt(
    prepared: Prepared,
    pulse: Arc<Pulse>,
    asking: Asking,
) -> Result<Attempt, Error> {
    let request = Reserve::new(&prepared.id, prepared.envelope());
    let limit = match asking {
        Asking::First => prepared.lease,
        Asking::Again(until) => prepared.lease.min(until.saturating_duration_since(Instant::now())),
    };
    let engine = &prepared.engine;
    let call = engine.store().reserve(&request);
    let answer = engine.0.transition(&pulse, Transition::Reserve, limit, call).await;
    let answer = Answer::to(request, answer);
    answered(prepared, pulse, asking, answer)
}

/// A store's answer, with the reservation that stands there, or may.
enum Answer {
    Won(Written),
    Taken(Entry),
}

impl Answer {
    fn to(
        request: Reserve<'_>,
        outcome: Result<ReserveOutcome, StoreError>,
    ) -> Result<Self, (StoreError, Option<Written>)> {
        match outcome {
            Ok(ReserveOutcome::Won) => Ok(Self::Won(request.into_written())),
            Ok(ReserveOutcome::Taken(entry)) => Ok(Self::Taken(entry)),
            Err(error) => Err((error, request.is_written().then(|| request.into_written()))),
        }
    }
}

/// What the store's answer means.
fn answered(
    prepared: Prepared,
    pulse: Arc<Pulse>,
    asking: Asking,
    answer: Result<Answer, (StoreError, Option<Written>)>,
) -> Result<Attempt, Error> {
    match answer {
        Ok(Answer::Won(written)) => won(prepared, written, &pulse),
        Ok(Answer::Taken(entry)) => taken(prepared, pulse, entry),
        Err((error, written)) => {
            // The error may have been in the answer alone: the reservation then stands, and nobody
            // holds it.
            if let Some(Written { record, .. }) = written {
                let id = prepared.id.clone();
                settle::abandon(&prepared.engine, id, record, Unused::Unanswered);
            }
            failed(&prepared, asking, error)
        }
    }
}

fn won(prepared: Prepared, written: Written, pulse: &Arc<Pulse>) -> Result<Attempt, Error> {
    // The lease counts from when it was written: the store may have granted it at any moment after.
    let Written { record, at: sent } = written;
    let Prepared { engine, id, ttl, lease, max_run, .. } = prepared;
    if sent.elapsed() >= lease {
        // Somebody else may hold the key by now: starting the body would run it twice.
        settle::abandon(&engine, id.clone(), record, Unused::Won);
        return Err(granted_too_late(&id));
    }
    let beat = pulse.register(id, record, lease, max_run, sent);
    Ok(Attempt::Won(Held::new(engine, ttl, beat)))
}

fn taken(prepared: Prepared, pulse: Arc<Pulse>, entry: Entry) -> Result<Attempt, Error> {
    match prepared.check(entry)? {
        Standing::Completed(record) => Ok(Attempt::Replay(Found { id: prepared.id, record })),
        Standing::InProgress { token, remaining } => {
            Ok(Attempt::Busy(Box::new(Busy { prepared, pulse, token, remaining })))
        }
    }
}

/// What it means that the store did not answer. An engine that fails open runs the body only where
/// nothing says that another call runs it.
fn failed(prepared: &Prepared, asking: Asking, error: StoreError) -> Result<Attempt, Error> {
    match (error.kind(), asking) {
        (StoreErrorKind::Malformed, _) => Err(Error::of(ErrorKind::Incompatible, &prepared.id)
            .detail(error.to_string())
            .caused_by(error)),
        // Its own time was up, which says nothing of the store.
        (StoreErrorKind::Timeout, Asking::Again(until)) if Instant::now() >= until => {
            Err(prepared.in_progress(None))
        }
        // A full store was asked, and refuses so that no older record loses its guarantee.
        (StoreErrorKind::Full, _) => Err(unavailable(&prepared.id, error)),
        (_, Asking::First) if prepared.engine.settings().fail_open => {
            tracing::error!(
                record = %prepared.id,
                error = &error as &dyn std::error::Error,
                "the store cannot be asked and the engine fails open: the body runs without a record"
            );
            Ok(Attempt::Unrecorded(Current::unrecorded(prepared.id.clone())))
        }
        _ => Err(unavailable(&prepared.id, error)),
    }
}

fn misconfigured(id: &RecordId, runtime: NoRuntime) -> Error {
    Error::of(ErrorKind::Misconfigured, id).detail(runtime.to_string())
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
