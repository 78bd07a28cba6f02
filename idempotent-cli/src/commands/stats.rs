//! `stats`: how much there is, by operation.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use idempotent_core::engine::Inspection;

use crate::args::{StateName, Stats};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{
    Document, OperationDocument, Output, Progress, Style, age, clean, grouped, lasting, seconds,
};
use crate::store::{Pace, Pages, no_such_operation};

/// What was counted of one operation.
#[derive(Default)]
struct Counts {
    records: u64,
    bytes: u64,
    states: BTreeMap<&'static str, u64>,
    oldest: Duration,
    oldest_unfinished: Option<Duration>,
}

pub(super) async fn run(arguments: Stats, context: &mut Context) -> Result<Exit, Failure> {
    let store = context.connect().await?;
    let pace = Pace::new(arguments.fast);
    let mut pages = Pages::new(&store.engine, &context.interrupt, pace, arguments.filter.scan());
    let mut operations: BTreeMap<String, Counts> = BTreeMap::new();
    let (mut records, mut unreadable) = (0, 0);
    let progress = Progress::until_the_end(context.output.is_json());
    let ended = loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break Ok(Exit::Done),
            Err(failure) => break Err(failure),
        };
        let now = SystemTime::now();
        for seen in page.entries.iter().filter(|seen| arguments.filter.matches(seen, now)) {
            match operations.get_mut(seen.operation()) {
                Some(counts) => counts.add(seen, now),
                None => operations.entry(seen.operation().to_owned()).or_default().add(seen, now),
            }
            records += 1;
        }
        unreadable += page.unreadable.len() as u64;
        progress.say(format_args!("{} records counted", grouped(records)));
    };
    progress.clear();
    let is_complete = ended.is_ok();
    // What was counted until Ctrl-C is worth something; what was counted until the store failed is not.
    if is_complete || ended.as_ref().is_err_and(|failure| failure.exit() == Exit::Interrupted) {
        if context.output.is_json() {
            context.output.line(document(&operations, unreadable, is_complete).to_line())?;
        } else if is_complete && records == 0 && unreadable == 0 && arguments.filter.is_given() {
            let hint = no_such_operation(
                &store,
                &context.interrupt,
                arguments.filter.operation.as_deref(),
            )
            .await?;
            eprintln!("no such records in {}{hint}", clean(&store.place()));
        } else {
            print(&mut context.output, &operations, unreadable)?;
        }
    }
    store.close().await;
    ended
}

impl Counts {
    fn add(&mut self, seen: &Inspection, now: SystemTime) {
        let state = StateName::of(seen.state());
        let old = age(seen.created(), now);
        self.records += 1;
        self.bytes += seen.bytes() as u64;
        *self.states.entry(state.map_or("unknown", StateName::as_str)).or_default() += 1;
        self.oldest = self.oldest.max(old);
        if !matches!(state, Some(StateName::Completed | StateName::Lapsed)) {
            self.oldest_unfinished = self.oldest_unfinished.max(Some(old));
        }
    }
}

fn document(operations: &BTreeMap<String, Counts>, unreadable: u64, is_complete: bool) -> Document {
    let documents = operations.iter().map(|(operation, counts)| OperationDocument {
        operation: operation.clone(),
        records: counts.records,
        bytes: counts.bytes,
        states: counts.states.clone(),
        oldest_seconds: seconds(counts.oldest),
        oldest_unfinished_seconds: counts.oldest_unfinished.map(seconds),
    });
    Document::Stats {
        records: operations.values().map(|counts| counts.records).sum(),
        bytes: operations.values().map(|counts| counts.bytes).sum(),
        unreadable,
        complete: is_complete,
        operations: documents.collect(),
    }
}

/// Operations as lines. All of them are known, so each column is as wide as it needs to be, and a line that is too long
/// for the screen has its states below.
fn print(
    output: &mut Output,
    operations: &BTreeMap<String, Counts>,
    unreadable: u64,
) -> Result<(), Failure> {
    let longest = operations.keys().map(|name| name.chars().count()).max().unwrap_or_default();
    let limit = output.width().map_or(usize::MAX, |width| width.saturating_sub(32).max(10));
    let width = longest.clamp(9, limit.max(9));
    let header =
        format!("{:width$}  {:>9}  {:>9}  {:>6}", "OPERATION", "RECORDS", "BYTES", "OLDEST");
    output.line(output.styled(Style::Bold, header))?;
    let mut total = Counts::default();
    for (operation, counts) in operations {
        line(output, &clean(operation), counts, width)?;
        total.records += counts.records;
        total.bytes += counts.bytes;
        total.oldest = total.oldest.max(counts.oldest);
        for (state, count) in &counts.states {
            *total.states.entry(state).or_default() += count;
        }
    }
    if operations.len() != 1 {
        line(output, "all", &total, width)?;
    }
    if unreadable > 0 {
        let found = format!("{} unreadable: see `idempotent list`", grouped(unreadable));
        output.line(output.styled(Style::Red, found))?;
    }
    Ok(())
}

fn line(output: &mut Output, name: &str, counts: &Counts, width: usize) -> Result<(), Failure> {
    let (records, bytes) = (grouped(counts.records), grouped(counts.bytes));
    let name = crate::output::clipped(name, width);
    output.line(format_args!("{name}  {records:>9}  {bytes:>9}  {:>6}", lasting(counts.oldest)))?;
    for (state, count) in &counts.states {
        let style = match *state {
            "indeterminate" => Style::Red,
            "suspended" | "lapsed" => Style::Yellow,
            _ => Style::Dim,
        };
        output.line(output.styled(style, format_args!("  {state:13} {:>9}", grouped(*count))))?;
    }
    Ok(())
}
