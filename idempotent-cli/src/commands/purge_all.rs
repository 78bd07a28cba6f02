//! `purge --all`: removing all records of an operation or a scope.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::args::{Filter, Purge, StateName};
use crate::change::{Audit, Subject, agree};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, grouped};
use crate::store::{Connected, Pace, Pages};

/// What a pass over the records found and did.
#[derive(Default)]
struct Tally {
    matched: u64,
    purged: u64,
    changed: u64,
    /// Records that match, but whose state is not one of those to remove.
    kept: BTreeMap<&'static str, u64>,
    /// Records that do not say which scope they have.
    without_scope: u64,
    is_complete: bool,
}

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
    let store = context.connect().await?;
    let pass = Pass { store: &store, filter: &filter, states: &states, pace };
    let consent = &arguments.consent;
    let mut counted = pass.pass(context, false).await?;
    if !counted.is_complete {
        return Err(Failure::interrupted());
    }
    if counted.matched == 0 || consent.dry_run {
        let text = format!("{} of {what} would be removed", records(counted.matched));
        report(context, &mut counted, consent.dry_run, None, &text)?;
        store.close().await;
        return Ok(Exit::Done);
    }
    let question = format!(
        "Remove {} of {what}, so that retries of these calls run again?{}",
        records(counted.matched),
        rest(&counted)
    );
    let reason = agree(context, consent, &question).await?;
    // What is to be forgotten is not written down again: of a scope the line has the digest alone.
    let subject =
        Subject { command: "purge --all", subject: subject(&filter), said: None, before: None };
    let audit = Audit::begin(context, consent, &reason, &store.server(), &subject)?;
    let done = pass.pass(context, true).await;
    let (mut tally, audit) = match done {
        Ok(tally) => {
            let end = if tally.is_complete { "done" } else { "interrupted" };
            let audit = audit.end(&format!("{end}: {} removed", records(tally.purged)))?;
            (tally, audit)
        }
        Err(failure) => {
            audit.end(&format!("failed: {}", failure.message()))?;
            return Err(failure);
        }
    };
    let text = format!("{} of {what} removed", records(tally.purged));
    let is_complete = tally.is_complete;
    report(context, &mut tally, false, Some(audit), &text)?;
    store.close().await;
    if is_complete { Ok(Exit::Done) } else { Err(Failure::interrupted()) }
}

struct Pass<'a> {
    store: &'a Connected,
    filter: &'a Filter,
    states: &'a [StateName],
    pace: Pace,
}

impl Pass<'_> {
    async fn pass(&self, context: &Context, removes: bool) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let scan = self.filter.scan();
        let mut pages = Pages::new(&self.store.engine, &context.interrupt, self.pace, scan);
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => {
                    tally.is_complete = true;
                    return Ok(tally);
                }
                Err(failure) if failure.exit() == Exit::Interrupted => return Ok(tally),
                Err(failure) => return Err(failure),
            };
            let now = SystemTime::now();
            for seen in &page.entries {
                if self.filter.scope.is_some() && seen.scope().is_none() {
                    tally.without_scope += 1;
                }
                if !self.filter.matches(seen, now) {
                    continue;
                }
                let state = StateName::of(seen.state());
                if !state.is_some_and(|state| self.states.contains(&state)) {
                    *tally.kept.entry(state.map_or("unknown", StateName::as_str)).or_default() += 1;
                    continue;
                }
                tally.matched += 1;
                if !removes {
                    continue;
                }
                if context.interrupt.is_pressed() {
                    return Ok(tally);
                }
                match self.store.engine.purge_if_unchanged(seen).await? {
                    true => tally.purged += 1,
                    false => tally.changed += 1,
                }
            }
        }
    }
}

fn report(
    context: &mut Context,
    tally: &mut Tally,
    dry_run: bool,
    audit: Option<String>,
    text: &str,
) -> Result<(), Failure> {
    if !context.is_json() {
        let text = format!("{text}{}", rest(tally));
        return context.output.line(text);
    }
    let document = Document::Purge {
        matched: tally.matched,
        purged: tally.purged,
        changed: tally.changed,
        kept: std::mem::take(&mut tally.kept),
        without_scope: tally.without_scope,
        dry_run,
        complete: tally.is_complete,
        audit,
    };
    context.output.line(document.to_line())
}

/// What is left, and why.
fn rest(tally: &Tally) -> String {
    let mut rest = String::new();
    for (state, count) in &tally.kept {
        rest += &format!(" {} {state} ones stay.", grouped(*count));
    }
    if tally.changed > 0 {
        rest += &format!(" {} have changed meanwhile and stay.", grouped(tally.changed));
    }
    if tally.without_scope > 0 {
        let count = grouped(tally.without_scope);
        rest += &format!(" {count} others do not say which scope they have, and stay.");
    }
    rest
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
