//! One attempt to reserve a key.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::acquired::Acquired;
use super::check::Found;
use super::prepare::Prepared;
use super::request::Request;
use super::resume::{Resumed, resume};
use super::unrecorded::UnrecordedRun;
use crate::engine::circuit::{Asking, OpenCircuit};
use crate::engine::claim::Claim;
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::{CurrentCall, LeaseContext, LeaseHandle, RenewalTask, current};
use crate::engine::settle::{HeldReservation, Resumption, Unused, discard};
use crate::engine::telemetry::{Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, RecordId, Token};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind, Written};

/// When a call should try again that the store could not be asked for.
const SOON: Duration = Duration::from_secs(1);

/// The result of one attempt. Only a duplicate that waits makes another one.
pub(super) enum Attempt {
    Acquired(Acquired<HeldReservation>),
    Busy(Box<Busy>),
}

/// A duplicate: another call with its key is running.
pub(super) struct Busy {
    pub(super) prepared: Prepared,
    pub(super) renewal_task: Arc<RenewalTask>,
    pub(super) token: Token,
    pub(super) remaining: Option<Duration>,
}

impl Busy {
    pub(super) fn waits(&self) -> bool {
        self.prepared.operation().wait.is_some()
    }

    /// Whether the call that runs is one whose body makes this call.
    pub(super) fn is_own_caller(&self) -> bool {
        current().is_some_and(|caller| caller.is_or_is_within(self.token))
    }

    /// The error of a duplicate that does not wait, or no longer waits.
    pub(super) fn refusal(&self) -> Error {
        self.prepared.in_progress(self.remaining)
    }
}

/// Whether the call runs already, in a transaction, and its body makes this one outside of it, however indirectly. The database
/// may not know that yet, or would have this one wait for the other.
fn is_made_within_its_own_transaction(id: &RecordId) -> bool {
    current().is_some_and(|caller| caller.is_or_is_within_transaction_of(id))
}

/// Starts a call. With a store that answers locally, this is the whole attempt; otherwise it
/// continues with what it takes to ask the store.
#[inline]
pub(super) fn start(
    request: Box<Request>,
    engine: Idempotency,
) -> ControlFlow<Result<Attempt, Error>, (Prepared, Arc<RenewalTask>)> {
    let mut prepared = match request.prepare(engine) {
        Ok(prepared) => prepared,
        Err(error) => return ControlFlow::Break(Err(error)),
    };
    if prepared.operation().guarantee == Guarantee::ExactlyOnce {
        return ControlFlow::Break(Err(Error::of(ErrorKind::Misconfigured, &prepared.id)
            .detail("an exactly-once call must run in a transaction: use `run_in`")));
    }
    if let Some(claim) = Claim::current() {
        match claim.take(&prepared.engine, &prepared.id) {
            Ok(Some(written)) => return ControlFlow::Break(adopt(prepared, written, claim)),
            Ok(None) => {}
            Err(why) => return ControlFlow::Break(Err(misled(&prepared.id, why))),
        }
    }
    let local = prepared.engine.store().local();
    if let Some(entry) = local.and_then(|local| local.completed(&prepared.id)) {
        let completed = prepared.check_local(entry);
        return ControlFlow::Break(completed.map(|it| Attempt::Acquired(Acquired::Replay(it))));
    }
    // From here on the call may have to wait, and what it wins must be kept alive.
    let task = match prepared.engine.0.renewals.current() {
        Ok(task) => task,
        Err(error) => {
            let error = Error::of(ErrorKind::Misconfigured, &prepared.id).detail(error.to_string());
            return ControlFlow::Break(Err(error));
        }
    };
    if let Err(refusal) = prepared.enter() {
        return ControlFlow::Break(Err(refusal));
    }
    if prepared.refusal.is_some() {
        return ControlFlow::Continue((prepared, task));
    }
    let local = prepared.engine.store().local();
    let request = prepared.reserve();
    let timer = Telemetry::store_call(Transition::Reserve);
    let Some(answer) = local.and_then(|local| local.try_reserve(&request)) else {
        if is_made_within_its_own_transaction(&prepared.id) {
            prepared.leave();
            return ControlFlow::Break(Err(prepared.own_call()));
        }
        return ControlFlow::Continue((prepared, task));
    };
    timer.stop(answer.as_ref().err());
    if let Ok(ReserveOutcome::Taken(Entry { state: State::Suspended, .. })) = &answer {
        return ControlFlow::Continue((prepared, task));
    }
    let answer = Answer::new(&request, answer);
    ControlFlow::Break(conclude(prepared, task, Try::First, answer))
}

/// Goes on with a call that a recovery has taken.
#[cold]
fn adopt(mut prepared: Prepared, written: Written, claim: Arc<Claim>) -> Result<Attempt, Error> {
    let ready = |prepared: &mut Prepared| {
        let task = prepared.engine.0.renewals.current().map_err(|error| {
            Error::of(ErrorKind::Misconfigured, &prepared.id).detail(error.to_string())
        })?;
        prepared.check_resumable(&written.record)?;
        prepared.enter()?;
        prepared.refusal.take().map_or(Ok(task), Err)
    };
    match ready(&mut prepared) {
        Ok(task) => {
            prepared.lease = written.record.lease();
            let trace_parent = written.record.trace_parent();
            prepared.resumption = Some(Box::new(Resumption { trace_parent, claim: Some(claim) }));
            Ok(Attempt::Acquired(Acquired::Won(hold(prepared, written, task)?)))
        }
        Err(refusal) => {
            prepared.leave();
            claim.give_back(written, &refusal);
            Err(refusal)
        }
    }
}

#[cold]
fn misled(id: &RecordId, why: &'static str) -> Error {
    Error::of(ErrorKind::Misconfigured, id).detail(why)
}

/// What the call knows when it asks the store.
#[derive(Clone, Copy)]
pub(super) enum Try {
    /// Nothing.
    First,
    /// Another call ran a moment ago, and this one waits for its result until this moment.
    Again(Instant),
}

impl Try {
    /// How long the store may take.
    fn limit(self, prepared: &Prepared) -> Duration {
        match self {
            Self::First => prepared.lease,
            Self::Again(until) => {
                prepared.lease.min(until.saturating_duration_since(Instant::now()))
            }
        }
    }

    /// Whether the store's call ended because the waiter's own time is up.
    fn is_over(self, error: &StoreError) -> bool {
        let Self::Again(until) = self else { return false };
        error.kind() == StoreErrorKind::Timeout && Instant::now() >= until
    }
}

/// What a waiter does that was woken: it tries again, if it may run. Otherwise it may still find the result.
pub(super) async fn attempt_again(
    mut prepared: Prepared,
    task: Arc<RenewalTask>,
    until: Instant,
) -> Result<Attempt, Error> {
    prepared.enter_again();
    attempt(prepared, task, Try::Again(until)).await
}

/// Looks without reserving. If there is nothing to wait for and no result, the call is refused.
async fn look(
    prepared: Prepared,
    task: Arc<RenewalTask>,
    this: Try,
    refusal: Error,
) -> Result<Attempt, Error> {
    let limit = this.limit(&prepared);
    let engine = &prepared.engine;
    let call = engine.store().load(&prepared.id);
    match engine.0.transition(&task, Transition::Look, limit, call).await {
        Ok(Some(entry)) if !matches!(entry.state, State::Lapsed | State::Suspended) => {
            taken(prepared, task, entry)
        }
        Ok(_) | Err(_) => Err(refusal),
    }
}

/// Asks the store once. The call holds what it needs to run.
pub(super) async fn attempt(
    mut prepared: Prepared,
    task: Arc<RenewalTask>,
    this: Try,
) -> Result<Attempt, Error> {
    if let Some(refusal) = prepared.refusal.take() {
        return look(prepared, task, this, refusal).await;
    }
    let probe = match prepared.engine.0.circuit.admit() {
        Ok(probe) => probe,
        Err(OpenCircuit { error, retry_after }) => {
            return failed(prepared, this, error, retry_after);
        }
    };
    let engine = &prepared.engine;
    let asking = Asking::new(&engine.0.circuit, probe);
    let request = prepared.reserve();
    let limit = this.limit(&prepared);
    let call = engine.store().reserve(&request);
    let answer = engine.0.transition(&task, Transition::Reserve, limit, call).await;
    match &answer {
        // The waiter's own time is up, which says nothing about the store.
        Err(error) if this.is_over(error) => drop(asking),
        Err(error) if error.is_outage() => asking.failed(error),
        // Nor does a store that was not asked, for want of a connection.
        Err(error) if !error.is_answer() => drop(asking),
        _ => asking.answered(),
    }
    let answer = Answer::new(&request, answer);
    match answer {
        Answer::Taken(entry) if entry.state == State::Suspended => {
            Box::pin(resume_call(prepared, task, this, entry)).await
        }
        answer => conclude(prepared, task, this, answer),
    }
}

/// Goes on with a call that nobody runs. An engine that fails open does not do so here: what the call has done is
/// recorded, and would be done again.
async fn resume_call(
    prepared: Prepared,
    task: Arc<RenewalTask>,
    this: Try,
    entry: Entry,
) -> Result<Attempt, Error> {
    let limit = this.limit(&prepared);
    let (mut prepared, resumed) = resume(prepared, &task, limit, &entry).await?;
    match resumed {
        Resumed::Won(written) => {
            let trace_parent = entry.record.trace_parent();
            prepared.resumption = Some(Box::new(Resumption { trace_parent, claim: None }));
            won(prepared, written, task)
        }
        Resumed::Taken(entry) => taken(prepared, task, entry),
        Resumed::Failed(error) if this.is_over(&error) => Err(prepared.in_progress(None)),
        Resumed::Failed(error) => Err(unavailable(&prepared.id, error, SOON)),
    }
}

/// A store's answer, with the reservation that was written, or may have been written.
enum Answer {
    Won(Written),
    Taken(Entry),
    Failed(StoreError, Option<Written>),
}

impl Answer {
    #[inline]
    fn new(request: &Reserve<'_>, outcome: Result<ReserveOutcome, StoreError>) -> Self {
        match outcome {
            Ok(ReserveOutcome::Won) => Self::Won(request.written().clone()),
            Ok(ReserveOutcome::Taken(entry)) => Self::Taken(entry),
            Err(error) => {
                Self::Failed(error, request.is_written().then(|| request.written().clone()))
            }
        }
    }
}

/// What the store's answer means for the call.
#[inline]
fn conclude(
    prepared: Prepared,
    task: Arc<RenewalTask>,
    this: Try,
    answer: Answer,
) -> Result<Attempt, Error> {
    match answer {
        Answer::Won(written) => won(prepared, written, task),
        Answer::Taken(entry) => taken(prepared, task, entry),
        Answer::Failed(error, written) => {
            // Perhaps only the answer was lost: then the store has a reservation without an owner.
            if let Some(Written { record, .. }) = written {
                discard(&prepared.engine, prepared.id.clone(), record, Unused::Unanswered);
            }
            failed(prepared, this, error, SOON)
        }
    }
}

#[inline]
fn won(prepared: Prepared, written: Written, task: Arc<RenewalTask>) -> Result<Attempt, Error> {
    hold(prepared, written, task).map(|held| Attempt::Acquired(Acquired::Won(held)))
}

#[inline]
fn hold(
    prepared: Prepared,
    written: Written,
    task: Arc<RenewalTask>,
) -> Result<HeldReservation, Error> {
    // The lease counts from when the reservation was written: the store may have granted it at any
    // moment after that.
    let Written { record, at: sent } = written;
    let Prepared { engine, id, ttl, lease, max_run, seat, is_charged, resumption, .. } = prepared;
    if Instant::now() >= sent + lease {
        // Another caller may hold the key by now, and starting the body would run it twice.
        discard(&engine, id.clone(), record, Unused::Won);
        return Err(lease_may_have_lapsed(&id));
    }
    let context = LeaseContext { engine: engine.to_ref(), ttl, caller: current() };
    let lease = LeaseHandle::new(task, id, record, (lease, max_run), sent, context);
    let mut held = HeldReservation::new(engine, lease, (seat, is_charged));
    held.resumption = resumption;
    Ok(held)
}

fn taken(mut prepared: Prepared, task: Arc<RenewalTask>, entry: Entry) -> Result<Attempt, Error> {
    prepared.leave();
    Ok(match prepared.check(entry)? {
        Found::Completed(completed) => Attempt::Acquired(Acquired::Replay(completed)),
        Found::InProgress { token, remaining } => {
            Attempt::Busy(Box::new(Busy { prepared, renewal_task: task, token, remaining }))
        }
    })
}

/// What a failure of the store means for the call. An engine that fails open runs the body only if
/// nothing indicates that another call is running it.
fn failed(
    prepared: Prepared,
    this: Try,
    error: StoreError,
    retry_after: Duration,
) -> Result<Attempt, Error> {
    match (error.kind(), this) {
        (StoreErrorKind::Malformed, _) => Err(Error::of(ErrorKind::Incompatible, &prepared.id)
            .detail(error.to_string())
            .caused_by(error)),
        _ if this.is_over(&error) => Err(prepared.in_progress(None)),
        // A full store did answer: it refuses, so that no older record loses its guarantee.
        (StoreErrorKind::Full, _) => Err(unavailable(&prepared.id, error, retry_after)),
        (_, Try::First) if prepared.engine.settings().fail_open => {
            tracing::error!(
                record = %prepared.id,
                error = &error as &dyn std::error::Error,
                "the store is unavailable and the engine fails open: the body runs without a record"
            );
            let Prepared { engine, id, seat, .. } = prepared;
            let run = UnrecordedRun::new(engine, CurrentCall::unrecorded(id), seat);
            Ok(Attempt::Acquired(Acquired::Unrecorded(Box::new(run))))
        }
        _ => Err(unavailable(&prepared.id, error, retry_after)),
    }
}

fn lease_may_have_lapsed(id: &RecordId) -> Error {
    let why = "the lease may have lapsed before the body could start";
    unavailable(id, StoreError::new(StoreErrorKind::Timeout, why), SOON)
}

fn unavailable(id: &RecordId, error: StoreError, retry_after: Duration) -> Error {
    Error::of(ErrorKind::Store, id)
        .detail(error.to_string())
        .retry_in(Some(retry_after))
        .caused_by(error)
}
