//! Writing to a journal: fenced, acknowledged, and tried while the lease lasts; what ends a begun step, for longer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::idempotency::Idempotency;
use crate::engine::journal::WriteContext;
use crate::engine::lease::StepScope;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId, StepStatus};
use crate::store::{Replaces, StoreError, StoreErrorKind, WriteStep, WriteStepOutcome};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const FENCED: &str = "another run has taken the call, so this one may not write its result";

const OUTLIVED: &str = "its call has ended while it ran, so its result is recorded nowhere: await every step before the body \
                        ends";

const CONFLICT: &str = "the journal says something else of this step than this run has written";

/// What is written of one step.
pub(super) struct StepWrite {
    pub(super) entry: StepEntry,
    pub(super) replaces: Previous,
    /// Whether the step is about to run.
    pub(super) begins: bool,
}

/// What may stand in the journal before.
pub(super) enum Previous {
    Nothing,
    Anything,
    Entry(StepEntry),
}

impl Previous {
    fn as_replaces(&self) -> Replaces<'_> {
        match self {
            Self::Nothing => Replaces::Nothing,
            Self::Anything => Replaces::Anything,
            Self::Entry(entry) => Replaces::Entry(entry),
        }
    }
}

impl StepWrite {
    /// Whether it ends a step that its own run has begun.
    const fn ends_a_begun_step(&self) -> bool {
        matches!(self.replaces, Previous::Entry(_)) && !self.begins
    }
}

/// For how long a write may still go on.
///
/// What ends a begun step is fenced by the step's attempt: it harms nobody, however late it comes, and the call may be waiting
/// for it. So a late owner, whose lease is over by definition, has as long as a lease for it.
fn time_left(scope: &StepScope, ends_a_begun_step: bool, start: Instant, now: Instant) -> Duration {
    let remaining = scope.lease.remaining_at(now);
    if !ends_a_begun_step {
        return remaining;
    }
    let taken = now.saturating_duration_since(start);
    remaining.max(scope.lease.reservation.lease().saturating_sub(taken))
}

/// Writes until the store acknowledges it, or there is no time left.
pub(super) async fn write(
    engine: &Idempotency,
    scope: &StepScope,
    write: StepWrite,
) -> Result<(), Error> {
    let Some(store) = engine.store().journal() else {
        return Err(super::refusal::without_journals(engine, &scope.lease.id, scope.name));
    };
    let (ends_a_begun_step, start) = (write.ends_a_begun_step(), Instant::now());
    let time_left = |now| time_left(scope, ends_a_begun_step, start, now);
    let (write, context) = prepare(engine, scope, write);
    let request = request(scope, &write, &context);
    let (mut pause, mut left) = (FIRST_PAUSE, time_left(start));
    let outcome = loop {
        let limit = left.max(Duration::from_millis(1));
        let call = store.write_step(&request);
        match engine.0.call_of_step(Transition::WriteStep, limit, call).await {
            Ok(outcome) => break outcome,
            Err(error) if may_try_again(&error) && time_left(Instant::now()) > pause => {
                report(scope, &error);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                left = time_left(Instant::now());
            }
            Err(error) => return Err(unavailable(scope, error)),
        }
    };
    conclude(scope, write.entry, context, outcome)
}

/// Writes to a store that answers without waiting. Otherwise the write comes back, to be made in the usual way.
pub(super) fn write_locally(
    engine: &Idempotency,
    scope: &StepScope,
    write: StepWrite,
) -> Result<Result<(), Error>, StepWrite> {
    let Some(local) = engine.store().local() else { return Err(write) };
    let (write, context) = prepare(engine, scope, write);
    let timer = Telemetry::store_call(Transition::WriteStep);
    let Some(answer) = local.try_write_step(&request(scope, &write, &context)) else {
        return Err(write);
    };
    timer.stop(answer.as_ref().err());
    match answer {
        Ok(outcome) => Ok(conclude(scope, write.entry, context, outcome)),
        Err(error) => {
            report(scope, &error);
            Err(write)
        }
    }
}

/// The write with its entry as it is written, and what else is to be known. From here on the store may have it.
fn prepare(
    engine: &Idempotency,
    scope: &StepScope,
    mut write: StepWrite,
) -> (StepWrite, WriteContext) {
    name_outer(engine, scope);
    write.entry = sealed(engine, scope, &scope.id, write.entry);
    (write, scope.journal.before_write())
}

fn request<'a>(
    scope: &'a StepScope,
    write: &'a StepWrite,
    context: &'a WriteContext,
) -> WriteStep<'a> {
    let request = WriteStep::new(&scope.lease.id, &scope.journal.record, &scope.id, &write.entry)
        .replacing(write.replaces.as_replaces())
        .also(&context.unnamed);
    let request = if context.is_marked { request.marked() } else { request };
    if write.begins { request.beginning() } else { request }
}

fn conclude(
    scope: &StepScope,
    entry: StepEntry,
    context: WriteContext,
    outcome: WriteStepOutcome,
) -> Result<(), Error> {
    match outcome {
        WriteStepOutcome::Written => {
            let also = context.unnamed;
            let written = also.iter().map(|(_, entry)| entry).chain([&entry]);
            let bytes = written.map(|entry| entry.as_bytes().len()).sum();
            Telemetry::journal_bytes(&scope.lease.id, bytes);
            scope.journal.after_write(scope.id, entry, also);
            Ok(())
        }
        WriteStepOutcome::Fenced if scope.lease.is_ending() => {
            Err(scope.refusal(ErrorKind::Misconfigured, OUTLIVED))
        }
        WriteStepOutcome::Fenced => Err(scope.refusal(ErrorKind::InProgress, FENCED)),
        WriteStepOutcome::Conflict => Err(scope.refusal(ErrorKind::Incompatible, CONFLICT)),
    }
}

/// Has the write name the steps that this one is a part of: whoever resumes the call must expect them, too.
fn name_outer(engine: &Idempotency, scope: &StepScope) {
    let mut outer = scope.outer.as_ref();
    while let Some(step) = outer {
        name(engine, step);
        outer = step.outer.as_ref();
    }
}

/// Has the next write name a step without a result.
pub(super) fn name(engine: &Idempotency, step: &Arc<StepScope>) {
    if !step.journal.is_named(&step.id) {
        let entry = step.head(Instant::now()).entry(StepStatus::Tried, Duration::ZERO, b"");
        step.journal.name(step.id, sealed(engine, step, &step.id, entry));
    }
}

/// An entry as it is written.
pub(super) fn sealed(
    engine: &Idempotency,
    scope: &StepScope,
    step: &StepId,
    entry: StepEntry,
) -> StepEntry {
    match engine.0.authenticity.sealing_key() {
        Some(key) if !entry.has_mac() => entry.sealed(scope.journal.name, step, key),
        _ => entry,
    }
}

fn may_try_again(error: &StoreError) -> bool {
    !matches!(error.kind(), StoreErrorKind::Full | StoreErrorKind::Malformed)
}

fn unavailable(scope: &StepScope, error: StoreError) -> Error {
    scope.refusal(ErrorKind::Store, &error.to_string()).caused_by(error)
}

fn report(scope: &StepScope, error: &StoreError) {
    tracing::warn!(
        record = %scope.lease.id,
        step = scope.name,
        error = error as &dyn std::error::Error,
        "a step could not be written to the journal yet"
    );
}
