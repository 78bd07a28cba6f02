//! `watch`: what has not ended, look by look: how much, how old, and how fast it comes and goes.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use idempotent_core::ErrorKind;
use idempotent_core::engine::Inspection;
use idempotent_core::model::Token;
use idempotent_core::store::{Scan, State};

use crate::args::{StateName, Watch};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{
    Document, OldestDocument, Output, RecordTable, Screen, Style, age, clean, clipped, grouped,
    lasting, seconds, timestamp,
};
use crate::store::{Connected, Pace, Pages};

/// So many of the oldest are listed.
const LISTED: usize = 10;

/// Beyond so many unfinished calls, how fast they come and go is not told: that takes memory.
const MOST_FOLLOWED: usize = 100_000;

/// Every so many looks the suspended calls in doubt are counted: that loads the steps of each.
const LOOKS_PER_COUNT: u64 = 10;

/// The states that are counted, in the order in which they are shown.
const STATES: [StateName; 4] =
    [StateName::Reserved, StateName::Suspended, StateName::Lapsed, StateName::Indeterminate];

/// What one look found.
struct Look {
    at: SystemTime,
    counts: BTreeMap<&'static str, u64>,
    /// Those of them, apart from suspended ones, about which somebody must say something.
    in_doubt: u64,
    /// Suspended ones with a step in doubt, as they were last counted.
    suspended_in_doubt: u64,
    unreadable: u64,
    /// The oldest first.
    oldest: Vec<Inspection>,
    /// All of them; `None` if there are too many.
    followed: Option<HashSet<Token>>,
    took: Duration,
}

/// How fast calls begin and end, as far as two looks show it: a call that began and ended in between is in neither.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rates {
    began: f64,
    ended: f64,
}

pub(super) async fn run(arguments: Watch, context: &mut Context) -> Result<Exit, Failure> {
    let store = context.connect().await?;
    let mut screen = Screen::open(&mut context.output)?;
    let ended = looks(&arguments, context, &store, &mut screen).await;
    // Before anything is said.
    screen.close(&mut context.output)?;
    store.close().await;
    match ended {
        // That is how one ends it.
        Err(failure) if failure.exit() == Exit::Interrupted => Ok(Exit::Done),
        Err(failure) => Err(failure),
        Ok(()) => Ok(Exit::Done),
    }
}

async fn looks(
    arguments: &Watch,
    context: &mut Context,
    store: &Connected,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let mut before: Option<(Option<HashSet<Token>>, Instant)> = None;
    let (mut done, mut suspended_in_doubt) = (0, 0);
    loop {
        let begin = Instant::now();
        let known = (done % LOOKS_PER_COUNT != 0).then_some(suspended_in_doubt);
        let look = match look(arguments, context, store, known).await {
            Ok(look) => look,
            // The store may come back: whoever watches wants to see that. It never was there if the first look fails.
            Err(failure) if failure.exit() == Exit::Unavailable && done > 0 => {
                say_failure(context, screen, &failure)?;
                done += 1;
                if arguments.looks.is_some_and(|looks| done >= looks) {
                    return Err(failure);
                }
                context.interrupt.unless_pressed(tokio::time::sleep(arguments.every)).await?;
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let rates = before.as_ref().and_then(|(seen, at)| {
            let (seen, now) = (seen.as_ref()?, look.followed.as_ref()?);
            Some(rates(seen, now, begin.duration_since(*at)))
        });
        if context.is_json() {
            context.output.line(document(&look, rates).to_line())?;
        } else if screen.is_open() {
            screen.clear(&mut context.output)?;
            frame(&mut context.output, store, arguments, &look, rates, screen.height())?;
        } else {
            context.output.line(line(&look, rates))?;
        }
        context.output.flush()?;
        done += 1;
        if arguments.looks.is_some_and(|looks| done >= looks) {
            return Ok(());
        }
        before = Some((look.followed, begin));
        suspended_in_doubt = look.suspended_in_doubt;
        // At least as long as the look took, so that the store has a rest.
        let pause = arguments.every.saturating_sub(look.took).max(look.took);
        context.interrupt.unless_pressed(tokio::time::sleep(pause)).await?;
    }
}

/// A look that failed, in place of what it would have shown.
fn say_failure(context: &mut Context, screen: &Screen, failure: &Failure) -> Result<(), Failure> {
    if !screen.is_open() {
        failure.report(context.is_json());
        return Ok(());
    }
    screen.clear(&mut context.output)?;
    let (now, message) = (timestamp(SystemTime::now()), clean(failure.message()));
    context.output.line(now)?;
    context.output.line(context.output.styled(Style::Red, message))?;
    context.output.flush()
}

/// One look. How many suspended calls are in doubt is known, or counted.
async fn look(
    arguments: &Watch,
    context: &Context,
    store: &Connected,
    suspended_in_doubt: Option<u64>,
) -> Result<Look, Failure> {
    let mut scan = Scan::unfinished();
    scan.operation = arguments.operation.clone();
    let pace = Pace::new(arguments.fast);
    let mut pages = Pages::new(&store.engine, &context.interrupt, pace, scan);
    let start = Instant::now();
    let mut look = Look {
        at: SystemTime::now(),
        counts: STATES.iter().map(|state| (state.as_str(), 0)).collect(),
        in_doubt: 0,
        suspended_in_doubt: suspended_in_doubt.unwrap_or(0),
        unreadable: 0,
        oldest: Vec::new(),
        followed: Some(HashSet::new()),
        took: Duration::ZERO,
    };
    while let Some(page) = pages.next().await? {
        look.unreadable += page.unreadable.len() as u64;
        for seen in page.entries {
            let is_suspended = seen.state() == State::Suspended;
            let is_doubted = match is_suspended && seen.has_journal() {
                true => suspended_in_doubt.is_none() && is_in_doubt(store, context, &seen).await?,
                false => seen.is_in_doubt(),
            };
            look.add(seen, is_doubted);
        }
    }
    look.took = start.elapsed();
    Ok(look)
}

/// Whether somebody must say something about a suspended call: its steps say so, which a scan does not load.
async fn is_in_doubt(
    store: &Connected,
    context: &Context,
    seen: &Inspection,
) -> Result<bool, Failure> {
    let now = store.engine.inspect(seen.id());
    match context.interrupt.unless_pressed(now).await? {
        Ok(now) => Ok(now.is_some_and(|now| now.is_in_doubt())),
        // `list` and `show` say what is wrong with it.
        Err(error) if error.kind() != ErrorKind::Store => Ok(true),
        Err(error) => Err(error.into()),
    }
}

impl Look {
    fn add(&mut self, seen: Inspection, is_in_doubt: bool) {
        let Some(state) = StateName::of(seen.state()) else { return };
        // A scan may return a record twice.
        if let Some(followed) = &mut self.followed {
            if !followed.insert(seen.token()) {
                return;
            }
            if followed.len() > MOST_FOLLOWED {
                self.followed = None;
            }
        }
        *self.counts.entry(state.as_str()).or_default() += 1;
        match state {
            StateName::Suspended => self.suspended_in_doubt += u64::from(is_in_doubt),
            _ => self.in_doubt += u64::from(is_in_doubt),
        }
        let at = self.oldest.partition_point(|other| other.created() <= seen.created());
        if at < LISTED {
            self.oldest.insert(at, seen);
            self.oldest.truncate(LISTED);
        }
    }

    /// How many calls somebody must say something about.
    const fn doubts(&self) -> u64 {
        self.in_doubt + self.suspended_in_doubt
    }

    fn count(&self, state: StateName) -> u64 {
        self.counts.get(state.as_str()).copied().unwrap_or_default()
    }

    fn oldest_age(&self) -> Option<Duration> {
        self.oldest.first().map(|seen| age(seen.created(), self.at))
    }
}

fn rates(before: &HashSet<Token>, now: &HashSet<Token>, between: Duration) -> Rates {
    let between = between.as_secs_f64().max(0.001);
    let per_second = |count: usize| (count as f64 / between * 10.0).round() / 10.0;
    Rates {
        began: per_second(now.difference(before).count()),
        ended: per_second(before.difference(now).count()),
    }
}

fn document(look: &Look, rates: Option<Rates>) -> Document {
    Document::Watch {
        at: timestamp(look.at),
        states: look.counts.clone(),
        in_doubt: look.doubts(),
        unreadable: look.unreadable,
        began_per_second: rates.map(|rates| rates.began),
        ended_per_second: rates.map(|rates| rates.ended),
        oldest_seconds: look.oldest_age().map(seconds),
        oldest: look
            .oldest
            .iter()
            .map(|seen| OldestDocument {
                id: seen.id().to_string(),
                state: StateName::of(seen.state()).map_or("unknown", StateName::as_str),
                age_seconds: seconds(age(seen.created(), look.at)),
            })
            .collect(),
    }
}

/// One look as one line, for whoever does not look at a screen.
fn line(look: &Look, rates: Option<Rates>) -> String {
    let mut line = timestamp(look.at);
    for state in STATES {
        line += &format!("  {} {}", name(state), look.count(state));
    }
    if look.doubts() > 0 {
        line += &format!("  in doubt {}", look.doubts());
    }
    if look.unreadable > 0 {
        line += &format!("  unreadable {}", look.unreadable);
    }
    if let Some(Rates { began, ended }) = rates {
        line += &format!("  began {began}/s  ended {ended}/s");
    }
    if let Some(oldest) = look.oldest_age() {
        line += &format!("  oldest {}", lasting(oldest));
    }
    line
}

const fn name(state: StateName) -> &'static str {
    match state {
        StateName::Reserved => "running",
        state => state.as_str(),
    }
}

/// One look as a screen of so many lines.
fn frame(
    output: &mut Output,
    store: &Connected,
    arguments: &Watch,
    look: &Look,
    rates: Option<Rates>,
    height: usize,
) -> Result<(), Failure> {
    let width = output.width().unwrap_or(80);
    let place = store.place();
    output.line(output.styled(Style::Bold, clipped(&clean(&place), width).trim_end()))?;
    let every = humantime::format_duration(arguments.every);
    let moment = timestamp(look.at);
    // The moment without milliseconds.
    let title = format!("{}Z, every {every}, Ctrl-C ends it", &moment[..moment.len().min(19)]);
    output.line(output.styled(Style::Dim, clipped(&title, width).trim_end()))?;
    output.line("")?;
    for state in STATES {
        let count = look.count(state);
        let style = match state {
            _ if count == 0 => Style::Plain,
            StateName::Indeterminate => Style::Red,
            StateName::Suspended | StateName::Lapsed => Style::Yellow,
            _ => Style::Green,
        };
        let name = output.styled(style, format_args!("{:13}", name(state)));
        output.line(format_args!("{name}  {:>9}", grouped(count)))?;
    }
    // Otherwise they are the indeterminate ones.
    if look.suspended_in_doubt > 0 {
        let name = output.styled(Style::Red, "in doubt     ");
        output.line(format_args!("{name}  {:>9}", grouped(look.doubts())))?;
    }
    if look.unreadable > 0 {
        let name = output.styled(Style::Red, "unreadable   ");
        output.line(format_args!("{name}  {:>9}", grouped(look.unreadable)))?;
    }
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate}/s"));
    output.line(format_args!("{:13}  {:>9}", "began", rate(rates.map(|it| it.began))))?;
    output.line(format_args!("{:13}  {:>9}", "ended", rate(rates.map(|it| it.ended))))?;
    output.line("")?;
    let table = RecordTable::new(output);
    let lines = table.lines_of_a_record();
    // Twelve lines are above, and those that are not always there, and the cursor has the last one.
    let above = 12 + usize::from(look.suspended_in_doubt > 0) + usize::from(look.unreadable > 0);
    let room = height.saturating_sub(above + lines) / lines;
    if look.oldest.is_empty() {
        return output.line("nothing is unfinished");
    }
    table.header(output)?;
    look.oldest.iter().take(room).try_for_each(|seen| table.record(output, seen, look.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_calls_that_came_and_went_between_two_looks() {
        let [a, b, c] = [1, 2, 3].map(|byte| Token::from_bytes([byte; 16]));
        let (before, now) = (HashSet::from([a, b]), HashSet::from([b, c]));
        let found = rates(&before, &now, Duration::from_secs(2));
        assert_eq!(found, Rates { began: 0.5, ended: 0.5 });
    }
}
