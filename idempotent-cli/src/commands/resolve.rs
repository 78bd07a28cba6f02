//! `resolve`: saying what a call turned out to be.

use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::StepStatus;

use super::owner::{Looked, look_again};
use super::settle::{Change, look, settle};
use crate::args::{Resolve, StateName};
use crate::change::{Said, check, resolution};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::StepName;
use crate::store::require_named;

pub(super) async fn run(arguments: Resolve, context: &mut Context) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let seen = look(context, &store, &arguments.target).await?;
    let state = StateName::of(seen.state());
    match state {
        Some(StateName::Completed) if seen.is_resolved() => {
            return refused("it is resolved already; `idempotent correct` replaces that");
        }
        Some(StateName::Completed) => {
            return refused("it is completed, and the result that its call has recorded is final");
        }
        Some(StateName::Lapsed) => {
            return refused("its lease has lapsed and its key is free: a retry runs it");
        }
        _ => {}
    }
    let said = resolution(&seen, &arguments.ending, arguments.response, arguments.keep_for)?;
    let Said { resolution, name, result } = said.unwrap_or_else(|| Said {
        resolution: Resolution::never_happened_and_owner_is_dead(),
        name: "never_happened_and_owner_is_dead",
        result: None,
    });
    if result.is_none() {
        say_steps_first(&seen)?;
    }
    let although = arguments.runs.although_it_runs;
    let Looked { seen, owner } = look_again(context, &store, seen, although).await?;
    if StateName::of(seen.state()) == Some(StateName::Lapsed) {
        return refused("its lease has lapsed and its key is free: a retry runs it");
    }
    let id = seen.id();
    let (question, done) = match name {
        "happened" => (
            format!("The effect of {id} happened, and retries replay this result?"),
            format!("{id} is resolved: retries replay the result"),
        ),
        "failed" => (
            format!("{id} failed for good, and retries replay this error?"),
            format!("{id} is resolved: retries replay the error"),
        ),
        _ => (
            format!(
                "The effect of {id} never happened, its owner is dead, and a retry may run it?"
            ),
            match (seen.has_input(), seen.steps().is_empty()) {
                (true, _) => format!("{id} is resolved: a recovery or the next caller runs it"),
                (false, false) => {
                    format!("{id} is resolved: a retry goes on with the steps that are recorded")
                }
                (false, true) => format!("{id} is resolved: its key is free, and a retry runs it"),
            },
        ),
    };
    let question = match seen.steps_in_doubt().next() {
        Some((step, entry)) => {
            let label = StepName::new(step, entry, seen.steps());
            let doubt = format!(
                "Step {label} is IN DOUBT, and neither it nor the steps behind it will ever run: \
                 `idempotent resolve-step` has the call go on instead."
            );
            if arguments.consent.yes && !context.is_json() {
                eprintln!("{doubt}");
            }
            format!("{question} {doubt}")
        }
        None => question,
    };
    let change = Change {
        command: "resolve",
        consent: &arguments.consent,
        step: None,
        owner,
        question,
        said: Some(name.to_owned()),
        result,
        names_key: true,
        done,
    };
    let act = store.engine.resolve(&seen, resolution);
    let exit = settle(context, &store, &seen, change, act).await?;
    store.close().await;
    Ok(exit)
}

/// What never happened has no step of which nobody knows whether it did.
fn say_steps_first(seen: &Inspection) -> Result<(), Failure> {
    let mut steps = seen.steps().iter();
    let Some((step, entry)) = steps.find(|(_, entry)| entry.status() == StepStatus::Begun) else {
        return Ok(());
    };
    let label = StepName::new(step, entry, seen.steps());
    Err(Failure::new(
        Exit::Refused,
        format!(
            "nobody knows what step {label} did: first say what became of it, with `idempotent resolve-step`; `idempotent \
             show` prints what to type"
        ),
    ))
}

fn refused(why: &str) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Refused, why))
}
