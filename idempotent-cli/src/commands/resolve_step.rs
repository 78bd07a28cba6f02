//! `resolve-step`: saying what a step turned out to be of which nobody knows what it did; `correct-step`: replacing that.

use idempotent_core::engine::Inspection;
use idempotent_core::model::{NotKept, StepEntry, StepId, StepStatus};
use idempotent_core::store::State;

use super::settle::{Change, look, settle};
use crate::args::ResolveStep;
use crate::change::{Said, check, step_resolution};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{StepName, StepReference};
use crate::store::require_named;

pub(super) async fn run(arguments: ResolveStep, context: &mut Context) -> Result<Exit, Failure> {
    say(arguments, context, Kind::Resolve).await
}

/// `correct-step`: replacing what was said of a step.
pub(super) async fn correct(
    arguments: ResolveStep,
    context: &mut Context,
) -> Result<Exit, Failure> {
    say(arguments, context, Kind::Correct).await
}

const HAS_RUN: &str = "the step has run, though its result was not kept";

/// Whether something is said of a step for the first time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Resolve,
    Correct,
}

impl Kind {
    const fn command(self) -> &'static str {
        match self {
            Self::Resolve => "resolve-step",
            Self::Correct => "correct-step",
        }
    }

    /// Why nothing can be said of a step, if nothing can.
    fn why_not(self, entry: &StepEntry, says_never: bool) -> Option<&'static str> {
        match (self, entry.status()) {
            (Self::Correct, _) if entry.is_resolved() => {
                (says_never && entry.has_run()).then_some(HAS_RUN)
            }
            (Self::Correct, _) => Some(
                "only what was said of a step by hand can be corrected, and of this one nothing was said",
            ),
            (Self::Resolve, StepStatus::Begun) => None,
            (Self::Resolve, _) if entry.is_resolved() => {
                Some("somebody has said what the step did; `idempotent correct-step` replaces that")
            }
            (Self::Resolve, StepStatus::NotKept(NotKept::NotMemoized | NotKept::Withheld)) => Some(
                "the step has ended with what it keeps to itself, as an `Err` that is final: `idempotent resolve` says what \
                 became of the call",
            ),
            (Self::Resolve, StepStatus::NotKept(_)) => says_never.then_some(HAS_RUN),
            (Self::Resolve, StepStatus::Tried) => {
                Some("nobody doubts what the step did: it did not happen")
            }
            (Self::Resolve, _) => Some("nobody doubts what the step did: it has ended"),
        }
    }
}

async fn say(arguments: ResolveStep, context: &mut Context, kind: Kind) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let seen = look(context, &store, &arguments.target).await?;
    let (step, entry) = find(&seen, &arguments.step)?;
    if seen.state() == State::Reserved {
        return refused(
            "the call runs, and may know itself; if its owner is dead, release it first",
        );
    }
    if let Some(why) = kind.why_not(entry, arguments.happened.is_none()) {
        return refused(why);
    }
    let Said { resolution, name, result } = step_resolution(entry, arguments.happened.as_deref())?;
    let id = seen.id();
    let label = StepName::new(step, entry, seen.steps()).to_string();
    let (question, done) = match name {
        "happened" => (
            format!(
                "Step {label} of {id} happened, and the call goes on with this result? It has to be what the step returns: \
                 a run that has gone on with it cannot be called back."
            ),
            "happened: the next run gets the result",
        ),
        _ => (
            format!(
                "Step {label} of {id} never happened, and the next run may run it? Once it has, that cannot be taken back."
            ),
            "never happened: the next run runs it",
        ),
    };
    let question = match kind {
        Kind::Resolve => question,
        Kind::Correct => format!(
            "{question} What was done since with what was said stands, and an owner that still lives can no longer complete the \
             call."
        ),
    };
    let goes_on = goes_on(&seen, step, entry);
    let change = Change {
        command: kind.command(),
        consent: &arguments.consent,
        question,
        step: Some(StepReference::new(step, entry)),
        owner: None,
        said: Some(name.to_owned()),
        result,
        names_key: true,
        done: format!("step {label} of {id} {done}{goes_on}"),
    };
    let act = async {
        match kind {
            Kind::Resolve => store.engine.resolve_step(&seen, step, resolution).await,
            Kind::Correct => store.engine.correct_step(&seen, step, resolution).await,
        }
    };
    let exit = settle(context, &store, &seen, change, act).await?;
    store.close().await;
    Ok(exit)
}

/// What becomes of the call then.
fn goes_on(seen: &Inspection, step: &StepId, entry: &StepEntry) -> &'static str {
    if seen.steps_in_doubt().any(|(other, _)| other != step) {
        return "; another step is still in doubt";
    }
    if seen.is_itself_in_doubt() {
        return "; nobody knows what the call did beside its steps: `idempotent resolve` says what became of it";
    }
    let was_stopped = entry.status() == StepStatus::Begun || seen.state() == State::Indeterminate;
    match seen.has_input() && (was_stopped || seen.due_in().is_some()) {
        true => "; a recovery or the next caller goes on with the call",
        false => "; the next caller goes on with the call",
    }
}

/// The step of this name, of this name and key, or of an id with these first digits.
fn find<'a>(seen: &'a Inspection, asked: &str) -> Result<(&'a StepId, &'a StepEntry), Failure> {
    let all = seen.steps();
    let fits = |step: &StepId, entry: &StepEntry| {
        let reference = StepReference::new(step, entry);
        reference.is_called(asked) || reference.has_digits(asked)
    };
    let mut found = all.iter().filter(|(step, entry)| fits(step, entry));
    match (found.next(), found.next()) {
        (Some((step, entry)), None) => Ok((step, entry)),
        (None, _) if seen.state() == State::Completed => Err(Failure::new(
            Exit::Refused,
            "the call has completed, and its steps are gone: if something wrong was said of one, look for its effect twice",
        )),
        (None, _) => Err(Failure::new(
            Exit::NotFound,
            format!("the call has no step {asked:?}; those in doubt: {}", in_doubt(all)),
        )),
        (Some(_), Some(_)) => Err(Failure::usage(format!(
            "several steps are called {asked:?}, within others: name one by its id, which `show --json` prints"
        ))),
    }
}

/// What the steps in doubt are called.
fn in_doubt(all: &[(StepId, StepEntry)]) -> String {
    let begun = all.iter().filter(|(_, entry)| entry.status() == StepStatus::Begun);
    let names: Vec<_> =
        begun.map(|(step, entry)| StepName::new(step, entry, all).to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn refused(why: &str) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Refused, why))
}
