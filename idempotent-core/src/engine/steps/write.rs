//! Writing to a journal: fenced, acknowledged, and tried while the lease lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::engine::idempotency::Idempotency;
use crate::engine::lease::StepScope;
use crate::engine::telemetry::{Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId, StepStatus};
use crate::store::{Replaces, StoreError, StoreErrorKind, WriteStep, WriteStepOutcome};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const FENCED: &str = "another run has taken the call, so this one may not write its result";

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

/// Writes until the store acknowledges it, or the lease is over. A late owner may still say what its step did, and has as long
/// as a call of the store may take.
pub(super) async fn write(
    engine: &Idempotency,
    scope: &StepScope,
    write: StepWrite,
) -> Result<(), Error> {
    let Some(store) = engine.store().journal() else {
        return Err(super::refusal::without_journals(engine, &scope.lease.id, scope.name));
    };
    name_outer(engine, scope);
    let entry = sealed(engine, scope, &scope.id, write.entry);
    let also = scope.journal.before_write();
    let request = WriteStep::new(&scope.lease.id, &scope.journal.record, &scope.id, &entry)
        .replacing(write.replaces.as_replaces())
        .also(&also);
    let request = if write.begins { request.beginning() } else { request };
    let mut pause = FIRST_PAUSE;
    let patience = if write.begins { Duration::ZERO } else { engine.settings().store_timeout };
    let until = Instant::now() + patience;
    let left = || {
        let patience = until.saturating_duration_since(Instant::now());
        scope.lease.remaining().max(patience)
    };
    let outcome = loop {
        let limit = left().max(Duration::from_millis(1));
        let call = store.write_step(&request);
        match engine.0.call(Transition::WriteStep, limit, call).await {
            Ok(outcome) => break outcome,
            Err(error) if may_try_again(&error) && left() > pause => {
                report(scope, &error);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(unavailable(scope, error)),
        }
    };
    match outcome {
        WriteStepOutcome::Written => {
            let written = also.iter().map(|(_, entry)| entry).chain([&entry]);
            let bytes = written.map(|entry| entry.as_bytes().len()).sum();
            Telemetry::journal_bytes(&scope.lease.id, bytes);
            scope.journal.after_write(scope.id, entry, also);
            Ok(())
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
        let entry = step.entry(StepStatus::Tried, Duration::ZERO, b"");
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
