//! `release`: freeing the key of a call whose owner is dead, before its lease lapses.

use idempotent_core::Guarantee;

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
    match StateName::of(seen.state()) {
        Some(StateName::Reserved) => {}
        Some(StateName::Indeterminate) => {
            return refused("nobody knows what it did: `idempotent resolve` says so");
        }
        Some(StateName::Completed) => {
            return refused("it is completed: retries get its result, and nobody holds its key");
        }
        _ => return refused("nobody holds its key"),
    }
    let although = arguments.runs.although_it_runs;
    let Looked { seen, owner } = look_again(context, &store, seen, although).await?;
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

fn refused(why: &str) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Refused, why))
}
