//! `move`: copying what is completed from one store to another, while both are in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::Store;
use idempotent_core::backends::{MoveReport, Mover};

use crate::args::Move;
use crate::change::{Audit, Subject, agree, check};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, LeftDocument, Progress, Style, clean, grouped};
use crate::store::{Connected, Pace};

/// Between two passes of `--until-done`.
const BETWEEN_PASSES: Duration = Duration::from_secs(2);

/// The old store and the new one, as they are named.
type Places = (String, String);

type Stores = Mover<Arc<dyn Store>, Arc<dyn Store>>;

pub(super) async fn run(arguments: Move, context: &mut Context) -> Result<Exit, Failure> {
    let consent = &arguments.consent;
    check(consent)?;
    let target = context.target_settings(&arguments.target)?;
    let from = context.connect_to(arguments.from.clone()).await?;
    let to = context.interrupt.unless_pressed(target.connect()).await??;
    let places = (from.place(), to.place());
    if places.0 == places.1 {
        return Err(Failure::usage(format!("both stores are {}", clean(&places.0))));
    }
    let mover = Mover::new(from.backend.store(), to.backend.store());
    let exit = if consent.dry_run {
        let ended = passes(&mover.only_looks(), &places, &arguments, context).await;
        report(context, &places, &ended, true, None)?;
        ended.exit()?
    } else {
        let question = format!(
            "Copy the results of {} to {}? Nothing is removed there or here.",
            clean(&places.0),
            clean(&places.1)
        );
        let reason = agree(context, consent, &question).await?;
        let subject = Subject {
            command: "move",
            subject: format!("results, to {}", places.1),
            step: None,
            owner: None,
            said: None,
            result: None,
            before: None,
        };
        let audit = Audit::begin(context, consent, &reason, &places.0, &subject)?;
        let ended = passes(&mover, &places, &arguments, context).await;
        let copied = grouped(ended.report.copied + ended.report.corrected);
        let outcome = match &ended.failure {
            None => format!("done: {copied} copied, {} left", grouped(ended.report.left())),
            Some(failure) => format!("failed: {}; {copied} copied", failure.message()),
        };
        let audit = audit.end(&outcome)?;
        report(context, &places, &ended, false, Some(audit))?;
        ended.exit()?
    };
    close(&from, &to).await;
    Ok(exit)
}

/// How the last pass ended, with what all of them have copied.
struct Ended {
    report: MoveReport,
    failure: Option<Failure>,
}

impl Ended {
    fn exit(self) -> Result<Exit, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.report.is_done() => Ok(Exit::Done),
            None => Ok(Exit::Findings),
        }
    }
}

/// One pass, or as many as it takes until nothing is left, or nothing of which another pass can take care.
async fn passes(mover: &Stores, places: &Places, arguments: &Move, context: &mut Context) -> Ended {
    let mut before = MoveReport::default();
    loop {
        let (mut report, failure) = pass(mover, arguments, context).await;
        report.copied += before.copied;
        report.corrected += before.corrected;
        report.taken_back += before.taken_back;
        report.replaced += before.replaced;
        // What an earlier pass has copied was not there before.
        report.already_there = report.already_there.saturating_sub(before.copied);
        let is_last = !arguments.until_done || report.left() == report.stuck();
        if failure.is_some() || is_last {
            return Ended { report, failure };
        }
        if let Err(failure) = say_pass(context, places, &report) {
            return Ended { report, failure: Some(failure) };
        }
        before = report;
        let pause = tokio::time::sleep(BETWEEN_PASSES);
        if let Err(failure) = context.interrupt.unless_pressed(pause).await {
            return Ended { report, failure: Some(failure) };
        }
    }
}

async fn pass(
    mover: &Stores,
    arguments: &Move,
    context: &Context,
) -> (MoveReport, Option<Failure>) {
    let pace = Pace::new(arguments.fast);
    let progress = Progress::until_the_end(context.is_json());
    let mut pass = mover.pass();
    let failure = loop {
        let start = Instant::now();
        // A copy that is dropped does not look whether its record was purged meanwhile.
        let next = match context.interrupt.unless_pressed_again(pass.next()).await {
            Ok(Ok(true)) if context.interrupt.is_pressed() => break Some(Failure::interrupted()),
            Ok(Ok(true)) => context.interrupt.unless_pressed(pace.rest(start.elapsed())).await,
            Ok(Ok(false)) => break None,
            Ok(Err(error)) => break Some(error.into()),
            Err(failure) => break Some(failure),
        };
        if let Err(failure) = next {
            break Some(failure);
        }
        let report = pass.report();
        let (copied, there) = (grouped(report.copied), grouped(report.already_there));
        progress.say(format_args!("{copied} copied, {there} were there already"));
    };
    progress.clear();
    (*pass.report(), failure)
}

fn left(report: &MoveReport) -> LeftDocument {
    LeftDocument {
        running: report.running,
        suspended: report.suspended,
        indeterminate: report.indeterminate,
        busy: report.busy,
        conflicts: report.conflicts,
        unreadable: report.unreadable,
        without_expiry: report.without_expiry,
    }
}

fn document(
    (from, to): &Places,
    report: &MoveReport,
    complete: bool,
    dry_run: bool,
    audit: Option<String>,
) -> Document {
    Document::Move {
        from: from.clone(),
        to: to.clone(),
        copied: report.copied,
        already_there: report.already_there,
        corrected: report.corrected,
        taken_back: report.taken_back,
        replaced: report.replaced,
        left: left(report),
        dry_run,
        complete,
        audit,
    }
}

/// A pass after which another one follows: a line, or a document.
fn say_pass(context: &mut Context, places: &Places, report: &MoveReport) -> Result<(), Failure> {
    if context.is_json() {
        let document = document(places, report, true, false, None);
        context.output.line(document.to_line())?;
    } else {
        let (copied, left) = (grouped(report.copied), grouped(report.left()));
        context.output.line(format_args!("{copied} copied, {left} left; looking again"))?;
    }
    context.output.flush()
}

fn report(
    context: &mut Context,
    places: &Places,
    ended: &Ended,
    dry_run: bool,
    audit: Option<String>,
) -> Result<(), Failure> {
    let (report, is_complete) = (&ended.report, ended.failure.is_none());
    if context.is_json() {
        let document = document(places, report, is_complete, dry_run, audit);
        return context.output.line(document.to_line());
    }
    let output = &mut context.output;
    let would = if dry_run { " would be" } else { "" };
    let (copied, there) = (grouped(report.copied), grouped(report.already_there));
    output.line(format_args!("{copied}{would} copied, {there} were there already"))?;
    if report.corrected + report.taken_back > 0 {
        let (corrected, taken_back) = (grouped(report.corrected), grouped(report.taken_back));
        output.line(format_args!("{corrected} corrected, {taken_back} taken back"))?;
    }
    if report.replaced > 0 {
        let replaced = grouped(report.replaced);
        let text = "indeterminate in the new store gave way to results: the log has their ids";
        output.line(format_args!("{replaced} {text}"))?;
    }
    if is_complete && report.copied + report.corrected == 0 && report.already_there > 0 {
        output.line("everything was there: it was moved before, or both names are of one store")?;
    }
    let what = [
        (report.running, "running", "wait for their end, or their lease"),
        (report.suspended, "suspended", "calls with steps end in the old store"),
        (report.indeterminate, "indeterminate", "resolve them in the old store"),
        (report.busy, "busy", "a call with the key runs in the new store"),
        (report.conflicts, "conflicts", "both stores have a result: show both, purge one"),
        (report.unreadable, "unreadable", "list names them"),
        (report.without_expiry, "without expiry", "the old store does not tell their ttl"),
    ];
    for (count, what, advice) in what.into_iter().filter(|(count, ..)| *count > 0) {
        let what = output.styled(Style::Yellow, format_args!("{what:14}"));
        output.line(format_args!("left: {:>9}  {what}  {advice}", grouped(count)))?;
    }
    if is_complete && report.is_done() {
        output.line("nothing is left in this pass; it counts once every process is in `new`")?;
    }
    Ok(())
}

async fn close(from: &Connected, to: &Connected) {
    from.close().await;
    to.close().await;
}
