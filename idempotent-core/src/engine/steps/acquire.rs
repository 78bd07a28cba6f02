//! Everything before the body of a step.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::yield_now;

use super::arrive::{ArrivedStep, arrive};
use super::gate::wait_for_expected;
use super::held::HeldStep;
use super::load::load;
use super::write::{self, Previous, StepWrite};
use crate::engine::acquire::{CompletedRecord, Request};
use crate::engine::background::FinishInBackground;
use crate::engine::idempotency::Idempotency;
use crate::engine::journal::Poison;
use crate::engine::lease::{CurrentCall, StepScope};
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, StepEntry, StepStatus};

/// What a step may do now. Refusals are errors.
pub(crate) enum AcquiredStep {
    /// It is recorded: decode its result.
    Recorded(RecordedStep),
    /// Run its body, and record its end.
    Run(Box<HeldStep>),
}

/// A step that is recorded, with its result.
pub(crate) struct RecordedStep {
    pub(crate) result: CompletedRecord,
    scope: Arc<StepScope>,
}

impl RecordedStep {
    /// The error of a result that this code cannot read: it names the step, and the call waits for code that can.
    pub(crate) fn unreadable(&self, error: &Error) -> Error {
        let error = self.scope.refusal(error.kind(), error.why());
        self.scope.journal.refuse(&error);
        error
    }
}

type Acquiring = Pin<Box<dyn Future<Output = Result<AcquiredStep, Error>> + Send>>;

const LAPSED: &str = "the lease of its call may have lapsed before it could start";

const DOUBT: &str = "it began and nobody knows what it did; resolve the record once you know";

/// Acquires a step of `caller`, whose body asks for it now.
pub(crate) fn acquire_step(
    request: Request,
    caller: Option<CurrentCall>,
) -> Result<Acquiring, Error> {
    let (guarantee, accept) = (request.operation.guarantee, request.operation.accept);
    let arrived = arrive(request, caller)?;
    Ok(Box::pin(acquire(arrived, guarantee, accept)))
}

async fn acquire(
    arrived: ArrivedStep,
    guarantee: Guarantee,
    accept: (u32, u32),
) -> Result<AcquiredStep, Error> {
    let ArrivedStep { engine, scope, again } = arrived;
    if let Some(entry) = again {
        return replay(&scope, &entry, accept);
    }
    let mut held = Box::new(HeldStep::new(engine, scope));
    let stored = match admit(&mut held, accept).await {
        Ok(ControlFlow::Continue(stored)) => stored,
        Ok(ControlFlow::Break(recorded)) => return Ok(recorded),
        Err(error) => {
            held.scope.journal.refuse(&error);
            held.set_refused();
            return Err(error);
        }
    };
    if guarantee == Guarantee::AtLeastOnce {
        return Ok(AcquiredStep::Run(held));
    }
    let previous = stored.map_or(Previous::Nothing, Previous::Entry);
    // If this is dropped meanwhile, the beginning is written and then taken back.
    let held = FinishInBackground::new(begin(held, previous)).await?;
    has_time(&held.scope)?;
    Ok(AcquiredStep::Run(held))
}

/// What the journal says of a step: its result, or what a run of its body replaces.
async fn admit(
    held: &mut HeldStep,
    accept: (u32, u32),
) -> Result<ControlFlow<AcquiredStep, Option<StepEntry>>, Error> {
    let (engine, scope) = (&held.engine, &held.scope);
    load(engine, scope).await?;
    let stored = scope.journal.stored(&scope.id);
    match &stored {
        Some(entry) => match entry.status() {
            StepStatus::Recorded | StepStatus::NotKept(_) => {
                let recorded = replay(scope, entry, accept)?;
                scope.journal.succeeded(&scope.id);
                held.set_ended();
                return Ok(ControlFlow::Break(recorded));
            }
            StepStatus::Begun => {
                let poison = Poison::new(
                    ErrorKind::Indeterminate,
                    format!("step `{}`: {DOUBT}", scope.label()),
                );
                let error = poison.error(&scope.lease.id);
                scope.poison(poison.in_doubt(true));
                return Err(error);
            }
            StepStatus::Tried => {}
        },
        None => {
            if scope.journal.is_resumed {
                wait_for_expected(engine, scope).await?;
            }
            has_room(engine, scope)?;
        }
    }
    if scope.journal.is_resumed {
        // A body that fails at once must not drop steps beside it that nobody has asked for yet.
        yield_now().await;
    }
    has_time(scope)?;
    Ok(ControlFlow::Continue(stored))
}

/// Writes that a step begins that is *at most once*.
async fn begin(mut held: Box<HeldStep>, previous: Previous) -> Result<Box<HeldStep>, Error> {
    let entry = held.scope.entry(StepStatus::Begun, Duration::ZERO, b"");
    let entry = write::sealed(&held.engine, &held.scope, &held.scope.id, entry);
    // From here on the journal may say so.
    held.begun = Some(entry.clone());
    let write = StepWrite { entry, replaces: previous, begins: true };
    match write::write(&held.engine, &held.scope, write).await {
        Ok(()) => Ok(held),
        Err(error) => {
            poison_by(&held.scope, &error, false);
            Err(error)
        }
    }
}

/// What a recorded step returns, unless it is another one by now.
fn replay(
    scope: &Arc<StepScope>,
    entry: &StepEntry,
    (oldest, newest): (u32, u32),
) -> Result<AcquiredStep, Error> {
    if !(oldest..=newest).contains(&entry.version()) {
        let why = format!(
            "it is recorded in version {}, and this code reads versions {oldest} to {newest}",
            entry.version()
        );
        return Err(scope.refusal(ErrorKind::Incompatible, &why));
    }
    if entry.fingerprint() != scope.fingerprint {
        let why = "it is recorded with another payload";
        return Err(scope.refusal(ErrorKind::FingerprintMismatch, why));
    }
    if let StepStatus::NotKept(why) = entry.status() {
        return Err(scope.refusal(ErrorKind::ResultNotKept, why.as_str()));
    }
    let record = scope.lease.reservation.completed(entry.result());
    let result = CompletedRecord { id: scope.lease.id.clone(), record };
    Ok(AcquiredStep::Recorded(RecordedStep { result, scope: Arc::clone(scope) }))
}

fn has_room(engine: &Idempotency, scope: &StepScope) -> Result<(), Error> {
    let settings = engine.settings();
    let (steps, bytes) = scope.journal.size();
    if steps > settings.max_steps {
        let why = format!("the call has {} steps already, which is the limit", settings.max_steps);
        return Err(scope.refusal(ErrorKind::TooManySteps, &why).limited_to(settings.max_steps));
    }
    if bytes >= settings.max_journal_bytes {
        let limit = settings.max_journal_bytes;
        let why = format!("the call's steps have {bytes} bytes, and the limit is {limit}");
        return Err(scope.refusal(ErrorKind::TooManySteps, &why).limited_to(limit));
    }
    Ok(())
}

/// Whether the call surely holds its key.
fn has_time(scope: &StepScope) -> Result<(), Error> {
    if !scope.lease.is_lost() && !scope.lease.remaining().is_zero() {
        return Ok(());
    }
    let error = scope.refusal(ErrorKind::InProgress, LAPSED);
    poison_by(scope, &error, false);
    Err(error)
}

/// Ends the run because of an error.
pub(super) fn poison_by(scope: &StepScope, error: &Error, in_doubt: bool) {
    let kind = if in_doubt { ErrorKind::Indeterminate } else { error.kind() };
    scope.poison(Poison::new(kind, error.why().to_owned()).in_doubt(in_doubt));
}
