//! Everything before the body of a step.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::arrive::{ArrivedStep, arrive};
use super::gate::wait_for_expected;
use super::held::HeldStep;
use super::load::load;
use super::recorded::RecordedStep;
use super::refusal::poison_by;
use super::request::StepRequest;
use super::write::{self, Previous, StepWrite};
use crate::engine::background::FinishInBackground;
use crate::engine::journal::{FirstArrival, Poison};
use crate::engine::lease::CurrentCall;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, StepEntry, StepStatus};

/// What a step may do now. Refusals are errors.
pub(crate) enum AcquiredStep {
    /// It is recorded: decode its result.
    Recorded(RecordedStep),
    /// Run its body, and record its end.
    Run(HeldStep),
}

/// A step that waits before it may run: for the store, or for others.
pub(crate) type AcquiringStep = Pin<Box<dyn Future<Output = Result<AcquiredStep, Error>> + Send>>;

const LAPSED: &str = "the lease of its call may have lapsed before it could start";

const DOUBT: &str = "it began and nobody knows what it did; resolve the step once you know";

/// Acquires a step of `caller`, whose body asks for it now. Most have nothing to wait for, and cost no future.
pub(crate) fn acquire_step(
    request: StepRequest,
    caller: Option<CurrentCall>,
) -> ControlFlow<Result<AcquiredStep, Error>, AcquiringStep> {
    let (guarantee, accept) = (request.guarantee, request.accept);
    let (mut held, FirstArrival { stored, is_loaded, size, .. }) = match arrive(request, caller) {
        Ok(ArrivedStep::First(held, first)) => (held, first),
        Ok(ArrivedStep::Recorded(recorded)) => {
            return ControlFlow::Break(Ok(AcquiredStep::Recorded(recorded)));
        }
        Err(error) => return ControlFlow::Break(Err(error)),
    };
    if !is_loaded {
        return ControlFlow::Continue(Box::pin(load_and_admit(held, guarantee, accept)));
    }
    let may_wait = held.scope.journal.is_resumed || guarantee != Guarantee::AtLeastOnce;
    let admitted = match look(&mut held, stored.as_ref(), accept) {
        Ok(Some(recorded)) => return ControlFlow::Break(Ok(recorded)),
        Ok(None) if may_wait => {
            return ControlFlow::Continue(Box::pin(admit(held, stored, guarantee)));
        }
        Ok(None) if stored.is_none() => has_room(&held, size),
        admitted => admitted.map(drop),
    };
    ControlFlow::Break(match admitted.and_then(|()| has_time(&mut held)) {
        Ok(()) => Ok(AcquiredStep::Run(held)),
        Err(error) => Err(held.refuse(error)),
    })
}

/// The first step of a run that resumes, and those that are asked for before its journal is there.
async fn load_and_admit(
    mut held: HeldStep,
    guarantee: Guarantee,
    accept: (u32, u32),
) -> Result<AcquiredStep, Error> {
    if let Err(error) = load(&held.engine, &held.scope).await {
        return Err(held.refuse(error));
    }
    let stored = held.scope.journal.stored(&held.scope.id);
    match look(&mut held, stored.as_ref(), accept) {
        Ok(Some(recorded)) => Ok(recorded),
        Ok(None) => admit(held, stored, guarantee).await,
        Err(error) => Err(held.refuse(error)),
    }
}

/// Lets a step run once nothing is in its way any more, and it is written that it begins if need be.
async fn admit(
    mut held: HeldStep,
    stored: Option<StepEntry>,
    guarantee: Guarantee,
) -> Result<AcquiredStep, Error> {
    if let Err(error) = wait_for_turn(&mut held, stored.is_none()).await {
        return Err(held.refuse(error));
    }
    if guarantee == Guarantee::AtLeastOnce {
        return Ok(AcquiredStep::Run(held));
    }
    let previous = stored.map_or(Previous::Nothing, Previous::Entry);
    // If this is dropped meanwhile, the beginning is written and then taken back.
    let mut held = FinishInBackground::new(begin(held, previous)).await?;
    has_time(&mut held)?;
    Ok(AcquiredStep::Run(held))
}

async fn wait_for_turn(held: &mut HeldStep, is_new: bool) -> Result<(), Error> {
    let journal = &held.scope.journal;
    if is_new {
        if journal.is_resumed {
            wait_for_expected(&held.engine, &held.scope).await?;
        }
        has_room(held, journal.size())?;
    }
    if journal.is_resumed {
        // A body that fails at once must not drop steps beside it that nobody has asked for yet.
        yield_now().await;
    }
    has_time(held)
}

/// What the journal says of a step, if it has its result; then it does not run.
fn look(
    held: &mut HeldStep,
    stored: Option<&StepEntry>,
    accept: (u32, u32),
) -> Result<Option<AcquiredStep>, Error> {
    let (Some(entry), scope) = (stored, &held.scope) else { return Ok(None) };
    match entry.status() {
        StepStatus::Recorded | StepStatus::NotKept(_) => {
            let caller = CurrentCall::around(scope);
            let recorded = RecordedStep::checked(entry.clone(), caller, scope.fingerprint, accept)?;
            scope.journal.succeeded(&scope.id);
            held.set_ended();
            Ok(Some(AcquiredStep::Recorded(recorded)))
        }
        StepStatus::Begun => {
            let why = format!("step `{}`: {DOUBT}", scope.label());
            let poison = Poison::new(ErrorKind::Indeterminate, why);
            let error = poison.error(&scope.lease.id);
            scope.poison(poison.in_doubt(true));
            Err(error)
        }
        StepStatus::Tried => Ok(None),
    }
}

/// Writes that a step begins that is *at most once*.
async fn begin(mut held: HeldStep, previous: Previous) -> Result<HeldStep, Error> {
    let types = held.scope.result_types.map(|types| types());
    let entry = held.scope.head_by_wall_clock().begun(types);
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

/// Whether a step that the journal does not have may be one of so many steps, with so many bytes.
fn has_room(held: &HeldStep, (steps, bytes): (usize, usize)) -> Result<(), Error> {
    let (scope, settings) = (&held.scope, held.engine.settings());
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

/// Whether the call surely holds its key, so that the step starts now.
fn has_time(held: &mut HeldStep) -> Result<(), Error> {
    let (now, scope) = (Instant::now(), &held.scope);
    if !scope.lease.is_lost() && scope.lease.holds_at(now) {
        held.set_start(now);
        return Ok(());
    }
    let error = scope.refusal(ErrorKind::InProgress, LAPSED);
    poison_by(scope, &error, false);
    Err(error)
}
