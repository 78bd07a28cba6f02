//! `correct`: replacing what a call was resolved to.

use super::settle::{Change, look, settle};
use crate::args::{Correct, StateName};
use crate::change::{Said, check, resolution};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::store::require_named;

pub(super) async fn run(arguments: Correct, context: &mut Context) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let seen = look(context, &store, &arguments.target).await?;
    if StateName::of(seen.state()) == Some(StateName::Indeterminate) {
        return Err(Failure::new(
            Exit::Refused,
            "nobody has said yet what it did: `idempotent resolve` says so",
        ));
    }
    if !seen.is_resolved() {
        return Err(Failure::new(
            Exit::Refused,
            "only what was resolved by hand can be corrected, and this was not",
        ));
    }
    let said = resolution(&seen, &arguments.ending, arguments.response, arguments.keep_for)?;
    let Some(Said { resolution, name, result }) = said else {
        return Err(Failure::usage("what is right? --happened or --failed"));
    };
    let id = seen.id();
    let change = Change {
        command: "correct",
        consent: &arguments.consent,
        step: None,
        owner: None,
        question: format!(
            "Replace what {id} was resolved to? Whoever got the old result still has it, and is not told."
        ),
        said: Some(name.to_owned()),
        result,
        names_key: true,
        done: format!("{id} is corrected"),
    };
    let act = store.engine.correct(&seen, resolution);
    let exit = settle(context, &store, &seen, change, act).await?;
    store.close().await;
    Ok(exit)
}
