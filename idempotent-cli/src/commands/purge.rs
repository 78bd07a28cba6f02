//! `purge`: removing one record. Removing many is in `purge_all`.

use idempotent_core::ErrorKind;
use idempotent_core::engine::Inspection;
use idempotent_core::model::RecordId;

use super::owner::{Looked, look_again};
use super::purge_all;
use super::settle::{Change, settle};
use crate::args::{Purge, StateName};
use crate::change::{Audit, Subject, agree, check};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, Progress};
use crate::store::{Connected, Located, WHICH, locate};

pub(super) async fn run(arguments: Purge, context: &mut Context) -> Result<Exit, Failure> {
    if arguments.all {
        return purge_all::run(arguments, context).await;
    }
    if arguments.target.record.is_none() && arguments.target.key.is_empty() {
        return Err(Failure::usage(format!("{WHICH}; or add --all, with --operation or --scope")));
    }
    check(&arguments.consent)?;
    let store = context.connect().await?;
    let progress = Progress::until_the_end(context.is_json());
    let found = locate(&store, &arguments.target, &context.interrupt, progress).await?;
    let exit = match found {
        Located::Record(seen) => one(&arguments, context, &store, seen).await?,
        Located::Unreadable(found) => {
            let Some(id) = found.id else {
                return Err(Failure::new(
                    Exit::Unreadable,
                    format!(
                        "{} has no id that could be read: remove it with the database's own tools",
                        found.key
                    ),
                ));
            };
            if found.is_newer && !arguments.unknown_layout {
                return Err(Failure::new(
                    Exit::Refused,
                    format!(
                        "{id} cannot be read: {}. Use the command of that version; to remove what others can read, add \
                         --unknown-layout",
                        found.reason
                    ),
                ));
            }
            unreadable(&arguments, context, &store, &id, &found.reason).await?
        }
    };
    store.close().await;
    Ok(exit)
}

async fn one(
    arguments: &Purge,
    context: &mut Context,
    store: &Connected,
    seen: Box<Inspection>,
) -> Result<Exit, Failure> {
    let although = arguments.runs.although_it_runs;
    let Looked { seen, owner } = look_again(context, store, seen, although).await?;
    let id = seen.id();
    let recorded = seen.steps().iter().filter(|(_, entry)| entry.has_run()).count();
    let steps = match recorded {
        0 => String::new(),
        1 => " 1 of its steps HAS RUN, and a retry runs it again.".to_owned(),
        count => format!(" {count} of its steps HAVE RUN, and a retry runs them again."),
    };
    let danger = match StateName::of(seen.state()) {
        Some(StateName::Reserved) => " If its owner runs, the body will run twice.",
        Some(StateName::Indeterminate) => {
            " NOBODY KNOWS what it did: if its effect has happened, it may happen twice."
        }
        Some(StateName::Suspended) => " Its steps go with it, and a retry repeats them all.",
        Some(StateName::Completed) => {
            " Its effect has happened, and a retry makes it happen again."
        }
        _ => "",
    };
    let change = Change {
        command: "purge",
        consent: &arguments.consent,
        step: None,
        owner,
        question: format!(
            "Remove the record of {id}, so that the next call with its key runs?{danger}{steps}"
        ),
        said: None,
        result: None,
        names_key: false,
        done: format!("{id} is removed"),
    };
    let act = async {
        match store.engine.purge_if_unchanged(&seen).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Failure::new(Exit::Refused, format!("{id} has changed since it was looked at")))
            }
            Err(error) => Err(error.into()),
        }
    };
    settle(context, store, &seen, change, act).await
}

/// There is nothing to compare but that it still cannot be read.
async fn unreadable(
    arguments: &Purge,
    context: &mut Context,
    store: &Connected,
    id: &RecordId,
    reason: &str,
) -> Result<Exit, Failure> {
    let consent = &arguments.consent;
    let document = |done, audit| Document::Change {
        command: "purge",
        id: id.to_string(),
        step: None,
        done,
        dry_run: consent.dry_run,
        audit,
        before: None,
        after: None,
    };
    if consent.dry_run {
        return print(context, &document(false, None), &format!("dry run: {id} would be removed"));
    }
    let question = format!(
        "{id} cannot be read ({reason}). Remove it, so that the next call with its key runs? NOBODY KNOWS what its call did: what has \
         happened may happen twice."
    );
    let why = agree(context, consent, &question).await?;
    // A colleague may have removed it meanwhile, and a call may have its key.
    match store.engine.inspect(id).await {
        Ok(Some(_)) => {
            let why = format!("{id} can be read by now: look at it again");
            return Err(Failure::new(Exit::Refused, why));
        }
        Ok(None) => {
            return Err(Failure::new(Exit::NotFound, format!("{id} is not there any more")));
        }
        Err(error) if error.kind() == ErrorKind::Store => return Err(error.into()),
        Err(_) => {}
    }
    let said = Some(format!("unreadable: {reason}"));
    let subject = Subject {
        command: "purge",
        subject: id.to_string(),
        step: None,
        owner: None,
        said,
        result: None,
        before: None,
    };
    let audit = Audit::begin(context, consent, &why, &store.place(), &subject)?;
    let (was_there, audit) = audit.around(store.engine.purge(id)).await?;
    if !was_there {
        return Err(Failure::new(Exit::NotFound, format!("{id} is not there any more")));
    }
    print(context, &document(true, Some(audit)), &format!("{id} is removed"))
}

fn print(context: &mut Context, document: &Document, text: &str) -> Result<Exit, Failure> {
    match context.is_json() {
        true => context.output.line(document.to_line())?,
        false => context.output.line(text)?,
    }
    Ok(Exit::Done)
}
