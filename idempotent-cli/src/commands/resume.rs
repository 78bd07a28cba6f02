//! `resume`: having a call go on that recovery has parked, or that waits for its next caller.

use idempotent_core::engine::Inspection;
use idempotent_core::model::StepStatus;

use super::settle::{Change, look, settle};
use crate::args::{Resume, StateName};
use crate::change::check;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::store::require_named;

pub(super) async fn run(arguments: Resume, context: &mut Context) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let seen = look(context, &store, &arguments.target).await?;
    if let Some(why) = why_not(&seen) {
        return Err(Failure::new(Exit::Refused, why));
    }
    let id = seen.id();
    let who = match seen.has_input() {
        true => "a recovery or the next caller",
        false => "the next caller",
    };
    let why = match seen.last_error() {
        Some(_) => "What its last error says is mended",
        None => "Nothing stands in its way",
    };
    let change = Change {
        command: "resume",
        consent: &arguments.consent,
        step: None,
        owner: None,
        question: format!("{why}, and {who} may go on with {id}?"),
        said: None,
        result: None,
        names_key: true,
        done: format!("{id} is resumable: {who} goes on with it, and its attempts begin anew"),
    };
    let act = store.engine.resume(&seen);
    let exit = settle(context, &store, &seen, change, act).await?;
    store.close().await;
    Ok(exit)
}

/// Why a call cannot go on, if that is seen at once.
fn why_not(seen: &Inspection) -> Option<String> {
    let why = match StateName::of(seen.state()) {
        Some(StateName::Indeterminate | StateName::Suspended) => {
            if !(seen.has_input() || seen.has_journal()) {
                "it has neither an input nor a recorded step, so nothing can go on: `idempotent resolve` says what became of it"
            } else {
                let is_lost = |status| matches!(status, StepStatus::NotKept(_));
                let lost = seen.steps().iter().find(|(_, entry)| is_lost(entry.status()));
                let stops = seen.steps_in_doubt().next().or(lost);
                let Some((_, entry)) = stops else { return why_in_doubt(seen) };
                let (name, what) = match entry.status() {
                    StepStatus::Begun => (entry.name(), "nobody knows what it did"),
                    _ => (entry.name(), "it has run, and its result was not kept"),
                };
                return Some(format!(
                    "every run ends at step {name:?}, since {what}: `idempotent resolve-step` says what became of it"
                ));
            }
        }
        Some(StateName::Reserved) => {
            "it runs; if its owner is dead, `idempotent release` has the next run begin at once"
        }
        Some(StateName::Completed) => "it is completed",
        _ => "nobody holds its key, and its next caller runs it",
    };
    Some(why.to_owned())
}

/// Why a call whose steps are all known cannot go on.
fn why_in_doubt(seen: &Inspection) -> Option<String> {
    let why = "nobody knows what the call did beside its steps: find that out, and `idempotent resolve` says it";
    seen.is_itself_in_doubt().then(|| why.to_owned())
}
