//! `purge --all`: removing all records of an operation or a scope.

use std::time::{Duration, SystemTime};

use super::purge_pass::{Pass, Tally};
use crate::args::{Filter, Purge, StateName};
use crate::change::{Audit, Subject, agree_to_count, check};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, age, clean, grouped, lasting, seconds};
use crate::store::{Pace, no_such_operation};

/// All records of an operation or of a scope: counted first, and removed in a second pass, each only if it is what that
/// pass saw.
pub(super) async fn run(arguments: Purge, context: &mut Context) -> Result<Exit, Failure> {
    let scope = match arguments.target.scope.as_slice() {
        [] => None,
        [scope] => Some(scope.clone()),
        _ => return Err(Failure::usage("with --all, --scope is one text, as `show` prints it")),
    };
    let operation = arguments.target.operation.clone();
    if scope.is_none() && operation.is_none() {
        return Err(Failure::usage("--all of what? Add --operation, --scope or both"));
    }
    let consent = &arguments.consent;
    let although_they_run = arguments.runs.although_it_runs;
    if arguments.state.contains(&StateName::Reserved) && !although_they_run {
        return Err(Failure::usage(
            "calls that are reserved may run, and --all looks at none of them twice: wait until the leases of dead owners \
             have lapsed, or purge them one by one; if you know that none runs, add --although-it-runs: a body that does \
             runs twice at once",
        ));
    }
    check(consent)?;
    if consent.yes && !consent.dry_run && arguments.expect.is_none() {
        return Err(Failure::usage(
            "--all with --yes needs --expect COUNT, the most records that may be removed: --dry-run counts them",
        ));
    }
    let states = match arguments.state.as_slice() {
        [] => vec![StateName::Completed, StateName::Lapsed],
        states => states.to_vec(),
    };
    let what = match (&operation, &scope) {
        (Some(operation), Some(scope)) => format!("operation {operation}, scope {scope}"),
        (Some(operation), None) => format!("operation {operation}"),
        (None, scope) => format!("scope {}", scope.as_deref().unwrap_or_default()),
    };
    let filter = Filter { operation, scope, ..Filter::default() };
    let pace = Pace::new(arguments.fast);
    let store = context.connect_to(None).await?;
    let place = clean(&store.place()).into_owned();
    let pass = Pass { store: &store, filter: &filter, states: &states, pace };
    let mut counted = pass.count(context).await?;
    if counted.matched == 0 || consent.dry_run {
        let hint = hint(context, &pass, &counted).await?;
        if !context.is_json() {
            context.output.line(format_args!("in {place}:"))?;
        }
        details(context, &counted)?;
        let text = match consent.dry_run {
            true => format!("{} of {what} would be removed{hint}", records(counted.matched)),
            false => format!("nothing of {what} to remove{hint}"),
        };
        report(context, &filter, &mut counted, consent.dry_run, None, &text)?;
        store.close().await;
        return Ok(counted.exit());
    }
    if let Some(expected) = arguments.expect.filter(|expected| counted.matched > *expected) {
        let (found, expected) = (records(counted.matched), grouped(expected));
        let text = format!(
            "{found} of {what} would be removed, and --expect allows {expected}: nothing was removed"
        );
        return Err(Failure::new(Exit::Refused, text));
    }
    if !consent.yes {
        details(context, &counted)?;
        context.output.flush()?;
    }
    let question = format!(
        "Remove {} of {what} from {place}, so that retries of these calls run again?{}",
        records(counted.matched),
        rest(&filter, &counted)
    );
    let reason = agree_to_count(context, consent, &question, counted.matched).await?;
    // What is to be forgotten is not written down again: of a scope the line has the digest alone.
    let subject = Subject {
        command: "purge --all",
        subject: subject(&filter),
        step: None,
        owner: counted.states.contains_key("reserved").then(|| {
            "Some are RESERVED, and nobody looked whether their owners are alive.".to_owned()
        }),
        said: None,
        result: None,
        before: None,
    };
    let mut audit = Audit::begin(context, consent, &reason, &store.place(), &subject)?;
    let most = arguments.expect.unwrap_or(counted.matched);
    let (mut tally, failure) = pass.remove(context, &mut audit, most).await;
    let audit = audit.end(&outcome(&tally, failure.as_ref()))?;
    if let Some(failure) = failure.as_ref().filter(|it| it.exit() != Exit::Interrupted) {
        let (exit, removed) = (failure.exit(), records(tally.purged));
        let perhaps = match tally.unanswered {
            0 => String::new(),
            count => format!(", and nobody knows of {}", grouped(count)),
        };
        let text = format!("{}; {removed} of {what} removed before{perhaps}", failure.message());
        return Err(Failure::new(exit, text));
    }
    let text = format!("{} of {what} removed", records(tally.purged));
    report(context, &filter, &mut tally, false, Some(audit), &text)?;
    store.close().await;
    failure.map_or_else(|| Ok(tally.exit()), Err)
}

/// What the audit line says at the end.
fn outcome(tally: &Tally, failure: Option<&Failure>) -> String {
    let end = match failure {
        None => "done".to_owned(),
        Some(failure) if failure.exit() == Exit::Interrupted => "interrupted".to_owned(),
        Some(failure) if tally.unanswered > 0 => {
            format!("unknown of {}: {}", grouped(tally.unanswered), failure.message())
        }
        Some(failure) => format!("failed: {}", failure.message()),
    };
    let unread = match tally.unreadable {
        0 => String::new(),
        count => format!(", {} cannot be read", grouped(count)),
    };
    format!("{end}: {} removed{unread}", records(tally.purged))
}

fn report(
    context: &mut Context,
    filter: &Filter,
    tally: &mut Tally,
    dry_run: bool,
    audit: Option<String>,
    text: &str,
) -> Result<(), Failure> {
    if !context.is_json() {
        let rest = rest(filter, tally);
        let stop = if rest.is_empty() { "" } else { "." };
        return context.output.line(format_args!("{text}{stop}{rest}"));
    }
    let document = Document::Purge {
        matched: tally.matched,
        states: std::mem::take(&mut tally.states),
        scopes: tally.scopes.len() as u64,
        newest_seconds: newest(tally).map(seconds),
        purged: tally.purged,
        changed: tally.changed,
        kept: std::mem::take(&mut tally.kept),
        without_scope: tally.without_scope,
        longer_scope: tally.longer_scope,
        unreadable: tally.unreadable,
        dry_run,
        complete: tally.is_complete,
        audit,
    };
    context.output.line(document.to_line())
}

/// What is to be removed, for whoever is asked: a line a fact.
fn details(context: &mut Context, counted: &Tally) -> Result<(), Failure> {
    if context.is_json() || counted.matched == 0 {
        return Ok(());
    }
    for (state, count) in &counted.states {
        let means = match *state {
            "completed" => ": their effects have happened, and retries make them happen again",
            "reserved" => ": if their owners run, the bodies will run twice",
            "indeterminate" => {
                ": NOBODY KNOWS what they did, and if it was done, it may be done twice"
            }
            "suspended" => ": their steps go with them, and retries repeat them all",
            _ => "",
        };
        context.output.line(format_args!("{} {state}{means}", grouped(*count)))?;
    }
    if let Some(age) = newest(counted) {
        context.output.line(format_args!("the newest is {} old", lasting(age)))?;
    }
    if !counted.scopes.is_empty() {
        context.output.line(format_args!("scopes: {}", grouped(counted.scopes.len() as u64)))?;
    }
    if !counted.keys.is_empty() {
        let keys = clean(&counted.keys.join(", ")).to_string();
        context.output.line(format_args!("keys such as {keys}"))?;
    }
    Ok(())
}

fn newest(tally: &Tally) -> Option<Duration> {
    tally.newest.map(|newest| age(newest, SystemTime::now()))
}

/// Names that are like the scope's or the operation's, if there is nothing of it.
async fn hint(context: &Context, pass: &Pass<'_>, counted: &Tally) -> Result<String, Failure> {
    if counted.matched > 0 || !counted.kept.is_empty() {
        return Ok(String::new());
    }
    let scopes: Vec<_> = counted.near_scopes.iter().map(String::as_str).collect();
    if !scopes.is_empty() {
        return Ok(format!("; is it --scope {}?", clean(&scopes.join(" or "))));
    }
    no_such_operation(pass.store, &context.interrupt, pass.filter.operation.as_deref()).await
}

/// What is left, and why.
fn rest(filter: &Filter, tally: &Tally) -> String {
    let mut rest = String::new();
    for (state, count) in &tally.kept {
        rest += &format!(" {} {state} {}.", grouped(*count), stay(*count));
    }
    match tally.changed {
        0 => {}
        1 => rest += " 1 has changed meanwhile and stays.",
        count => rest += &format!(" {} have changed meanwhile and stay.", grouped(count)),
    }
    match tally.without_scope {
        0 => {}
        1 => rest += " 1 other has no scope, or does not say which, and stays.",
        count => {
            let count = grouped(count);
            rest += &format!(" {count} others have no scope, or do not say which, and stay.");
        }
    }
    if tally.longer_scope > 0 {
        let (count, scope) = (tally.longer_scope, filter.scope.as_deref().unwrap_or_default());
        let (number, stay) = (grouped(count), stay(count));
        rest +=
            &format!(" {number} of scopes that begin with {scope}/ {stay}: purge each of these.");
    }
    if tally.unreadable > 0 {
        let (count, stay) = (grouped(tally.unreadable), stay(tally.unreadable));
        let what = if filter.scope.is_some() { "scope" } else { "operation" };
        rest += &format!(
            " {count} cannot be read, may be of this {what}, and {stay}: is the secret right?"
        );
    }
    rest
}

const fn stay(count: u64) -> &'static str {
    if count == 1 { "stays" } else { "stay" }
}

fn records(count: u64) -> String {
    match count {
        1 => "1 record".to_owned(),
        count => format!("{} records", grouped(count)),
    }
}

fn subject(filter: &Filter) -> String {
    let scope = filter.scope.as_ref().map(|scope| {
        let digest = idempotent_core::model::ScopeId::of(scope.as_str());
        digest.map_or_else(|_| "scope ?".to_owned(), |digest| format!("scope {digest}"))
    });
    let operation = filter.operation.as_ref().map(|name| format!("operation {name}"));
    operation.into_iter().chain(scope).collect::<Vec<_>>().join(", ")
}
