//! `kill -9` at every numbered step: a call is stopped at each message that it sends to the database,
//! before the message arrives, before its answer arrives and after it, and there its process is killed,
//! or the database. Then somebody else makes the same call.
//!
//! A step's number is found by counting the messages of a call that nobody disturbs, so none is left
//! out. They are stopped by a proxy between worker and server, of which the harness's `StepProxy` says
//! why that is every point at which a crash can make a difference. `call_steps` names the steps and knows
//! what has to come of each, `single_call` is the worker, `kills` kills, `repeat_caller` calls again,
//! `verdict` judges.

mod call_steps;
mod kills;
mod repeat_caller;
mod single_call;
mod verdict;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use idempotent_core::backends::PostgresStore;
use idempotent_servers::{Halt, Postgres};

pub(super) use self::call_steps::name;
pub use self::call_steps::{Call, CallSteps, Point, RepeatOutcome};
pub use self::kills::Victim;
pub(super) use self::single_call::main;

use self::kills::{Case, Setup};
use self::repeat_caller::RepeatCaller;
use self::verdict::Tables;
use super::Level;
use super::bank::{BALANCE, Order, TABLES};

/// The first argument of a worker that makes one call.
pub(crate) const ONCE: &str = "transfer-once";

/// More than there are calls. Each has two accounts of its own, so that those which stand still are in
/// nobody's way.
const ORDERS: i32 = 2_000;

/// What became of the calls at one isolation level.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// At which level.
    pub level: Level,
    /// The calls and their steps.
    pub calls: Vec<CallSteps>,
    /// What came of each call that was broken. What is not here broke a promise.
    pub outcomes: Vec<(Call, Victim, Point, RepeatOutcome)>,
    /// Every promise that was broken.
    pub broken: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Breaks calls at each of their steps, at one isolation level. `program` is this program's file, which
/// is a worker's too.
///
/// # Errors
///
/// When that cannot be carried out. A promise that was broken is part of the report.
pub async fn run(level: Level, program: PathBuf) -> Result<Report> {
    let began = Instant::now();
    let setup = Arc::new(Setup { server: bank().await?, program, level });
    let repeat_caller = RepeatCaller::of(&setup).await?;
    let mut orders = (0..ORDERS).map(order);
    let mut calls = Vec::new();
    for (call, order) in Call::ALL.into_iter().zip(&mut orders) {
        let (victim, point) = (Victim::Worker, Point::Acknowledged);
        let undisturbed = Case { call, victim, point, step: None, order };
        repeat_caller.prepare(&undisturbed).await?;
        calls.push(setup.call_steps(&undisturbed).await?);
    }
    let mut cases = |victim| -> Vec<Case> {
        let points =
            calls.iter().flat_map(|call_steps| call_steps.points().map(move |at| (call_steps, at)));
        let case = |((call_steps, point), order): ((&CallSteps, Point), Order)| Case {
            call: call_steps.call,
            victim,
            point,
            step: call_steps.step(point),
            order,
        };
        points.zip(&mut orders).map(case).collect()
    };
    let mut ended = setup.kill_workers(cases(Victim::Worker), &repeat_caller).await?;
    ended.extend(setup.kill_the_server(cases(Victim::Server), &repeat_caller).await?);
    let tables = Tables::read(&setup.server).await?;
    let mut report = Report {
        level,
        calls,
        outcomes: Vec::new(),
        broken: tables.broken(),
        took: began.elapsed(),
    };
    for (case, ended) in &ended {
        match tables.outcome(case, ended) {
            Ok(outcome) => report.outcomes.push((case.call, case.victim, case.point, outcome)),
            Err(why) => report.broken.push(format!("{case:?}: {why}")),
        }
    }
    report.check_outcomes();
    Ok(report)
}

async fn bank() -> Result<Postgres> {
    let server = Postgres::builder().fsync(true);
    let server = server.arg("max_connections", "600").arg("deadlock_timeout", "50ms").start().await;
    server.sql(TABLES).await;
    let accounts = format!(
        "INSERT INTO accounts SELECT id, {BALANCE} FROM generate_series(0, {}) AS id",
        2 * ORDERS - 1
    );
    server.sql(&accounts).await;
    PostgresStore::builder(server.url()).connect_with_retry(Duration::from_secs(20)).await?;
    Ok(server)
}

fn order(number: i32) -> Order {
    Order {
        number: number.unsigned_abs(),
        source: 2 * number,
        target: 2 * number + 1,
        amount: i64::from(1 + number % 97),
    }
}

impl Report {
    /// How many steps there are, of all calls.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.calls.iter().map(|call_steps| call_steps.steps.len()).sum()
    }

    /// Every point of every call, with each victim, and what came of it is what has to.
    fn check_outcomes(&mut self) {
        for call_steps in &self.calls {
            for (victim, point) in Victim::ALL
                .into_iter()
                .flat_map(|victim| call_steps.points().map(move |p| (victim, p)))
            {
                let (found, outcome) =
                    (self.outcome(call_steps.call, victim, point), call_steps.outcome(point));
                if found != Some(outcome) {
                    let what = format!(
                        "{level:?}, {call:?}, the {victim:?} killed at {point:?}: {found:?} and not {outcome:?}",
                        level = self.level,
                        call = call_steps.call,
                    );
                    self.broken.push(what);
                }
            }
        }
    }

    /// What came of a call that was broken.
    #[must_use]
    pub fn outcome(&self, call: Call, victim: Victim, point: Point) -> Option<RepeatOutcome> {
        let mut outcomes = self.outcomes.iter();
        outcomes
            .find(|outcome| (outcome.0, outcome.1, outcome.2) == (call, victim, point))
            .map(|outcome| outcome.3)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cases, took) = (self.outcomes.len(), self.took.as_secs_f64());
        writeln!(f, "{:?}: {cases} kills at {} steps, {took:.1} s", self.level, self.steps())?;
        for call_steps in &self.calls {
            writeln!(f, "\n{:?}: made again after a kill, it", call_steps.call)?;
            let titles = ["before", "unanswered", "answered"].map(|title| format!("{title:<12}"));
            writeln!(f, "     {:<34}{}", "step", titles.concat())?;
            let outcome = |point| {
                let outcome = self.outcome(call_steps.call, Victim::Worker, point);
                outcome.map_or_else(|| "BROKEN".to_owned(), |outcome| outcome.to_string())
            };
            for (number, (name, message)) in (1..).zip(&call_steps.steps) {
                let outcomes =
                    Halt::ALL.map(|halt| format!("{:<12}", outcome(Point::Step(number, halt))));
                writeln!(
                    f,
                    "{number:>3}  {:<34}{}",
                    format!("{name}: {message}"),
                    outcomes.concat()
                )?;
            }
            writeln!(f, "     {:<58}{}", "answer acknowledged", outcome(Point::Acknowledged))?;
        }
        self.broken.iter().take(20).try_for_each(|what| writeln!(f, "  BROKEN  {what}"))
    }
}
