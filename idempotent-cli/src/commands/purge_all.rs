//! `purge --all`: removing all records of an operation or a scope.

use std::collections::BTreeMap;
use std::time::SystemTime;

use idempotent_core::store::Unreadable;

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
    /// Records of other scopes that begin with this one's text and a slash: those of several parts, as tenant and user.
    longer_scope: u64,
    /// What cannot be read, and may be one of them.
    unreadable: u64,
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
        let text = match consent.dry_run {
            true => format!("{} of {what} would be removed", records(counted.matched)),
            false => format!("nothing of {what} to remove"),
        };
        report(context, &filter, &mut counted, consent.dry_run, None, &text)?;
        store.close().await;
        return Ok(counted.exit());
    }
    let question = format!(
        "Remove {} of {what}, so that retries of these calls run again?{}",
        records(counted.matched),
        rest(&filter, &counted)
    );
    let reason = agree(context, consent, &question).await?;
    // What is to be forgotten is not written down again: of a scope the line has the digest alone.
    let subject = Subject {
        command: "purge --all",
        subject: subject(&filter),
        step: None,
        said: None,
        before: None,
    };
    let audit = Audit::begin(context, consent, &reason, &store.server(), &subject)?;
    let done = pass.pass(context, true).await;
    let (mut tally, audit) = match done {
        Ok(tally) => {
            let end = if tally.is_complete { "done" } else { "interrupted" };
            let unread = match tally.unreadable {
                0 => String::new(),
                count => format!(", {} cannot be read", grouped(count)),
            };
            let audit = audit.end(&format!("{end}: {} removed{unread}", records(tally.purged)))?;
            (tally, audit)
        }
        Err(failure) => {
            audit.end(&format!("failed: {}", failure.message()))?;
            return Err(failure);
        }
    };
    let text = format!("{} of {what} removed", records(tally.purged));
    report(context, &filter, &mut tally, false, Some(audit), &text)?;
    store.close().await;
    if tally.is_complete { Ok(tally.exit()) } else { Err(Failure::interrupted()) }
}

impl Tally {
    /// Whoever is to be forgotten is not, as long as something cannot be read.
    const fn exit(&self) -> Exit {
        if self.unreadable > 0 { Exit::Unreadable } else { Exit::Done }
    }

    /// Counts a record of another scope.
    fn count_other(&mut self, wanted: &str, scope: Option<&str>) {
        match scope {
            None => self.without_scope += 1,
            Some(scope) => {
                let rest = scope.strip_prefix(wanted);
                self.longer_scope += u64::from(rest.is_some_and(|rest| rest.starts_with('/')));
            }
        }
    }
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
            tally.unreadable +=
                page.unreadable.iter().filter(|it| self.may_be_meant(it)).count() as u64;
            for seen in &page.entries {
                if let Some(scope) = &self.filter.scope {
                    tally.count_other(scope, seen.scope());
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

    /// Whether what cannot be read may be a record to remove: its scope is not known, and its operation only sometimes.
    fn may_be_meant(&self, found: &Unreadable) -> bool {
        match (&self.filter.operation, &found.id) {
            (Some(operation), Some(id)) => id.operation() == operation,
            _ => true,
        }
    }
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
        1 => rest += " 1 other does not say which scope it has, and stays.",
        count => {
            let count = grouped(count);
            rest += &format!(" {count} others do not say which scope they have, and stay.");
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
