//! `release`: freeing the key of a call whose owner is dead, before its lease lapses.

use idempotent_core::Guarantee;
use idempotent_core::engine::Inspection;

use super::owner::{Looked, look_again};
use super::settle::{Change, look, settle};
use crate::args::{Release, StateName};
use crate::change::check;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::store::require_named;

pub(super) async fn run(arguments: Release, context: &mut Context) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let seen = look(context, &store, &arguments.target).await?;
    require_reserved(&seen)?;
    let although = arguments.runs.although_it_runs;
    let Looked { seen, owner } = look_again(context, &store, seen, although).await?;
    require_reserved(&seen)?;
    let id = seen.id();
    let once = match seen.guarantee() {
        Guarantee::AtLeastOnce => "",
        _ => " It is at most once: if its effect has happened, it will happen twice.",
    };
    let change = Change {
        command: "release",
        consent: &arguments.consent,
        step: None,
        owner,
        question: format!("The owner of {id} is dead, and a retry may run it at once?{once}"),
        said: None,
        result: None,
        names_key: true,
        done: format!("{id} is released: a retry runs it"),
    };
    let act = async {
        match store.engine.release(&seen).await {
            Ok(Some(now)) if now.token() == seen.token() && now.state() == seen.state() => Err(
                Failure::new(Exit::Refused, format!("{id} has not been released: it has changed")),
            ),
            Ok(Some(now)) if now.token() != seen.token() => {
                Err(Failure::new(Exit::Refused, format!("another call has taken {id} since")))
            }
            Ok(Some(now)) if StateName::of(now.state()) == Some(StateName::Completed) => {
                Err(Failure::new(Exit::Refused, format!("{id} has completed since")))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    };
    let exit = settle(context, &store, &seen, change, act).await?;
    store.close().await;
    Ok(exit)
}

fn require_reserved(seen: &Inspection) -> Result<(), Failure> {
    let why = match StateName::of(seen.state()) {
        Some(StateName::Reserved) => return Ok(()),
        Some(StateName::Indeterminate) => "nobody knows what it did: `idempotent resolve` says so",
        Some(StateName::Completed) => {
            "it is completed: retries get its result, and nobody holds its key"
        }
        Some(StateName::Lapsed) => "its lease has lapsed and its key is free: a retry runs it",
        _ => "nobody holds its key",
    };
    Err(Failure::new(Exit::Refused, why))
}
