//! `kill -9` at every numbered step: a call is stopped at each message that it sends to the database,
//! before the message arrives, before its answer arrives and after it, and there its process is killed,
//! or the database. Then somebody else makes the same call.
//!
//! A step's number is found by counting the messages of a call that nobody disturbs, so none is left
//! out. They are stopped by a proxy between worker and server, of which the harness's `StepProxy` says
//! why that is every point at which a crash can make a difference. `course` names the steps and knows
//! what has to come of each, `errand` is the worker, `scene` kills, `second`
//! calls again, `verdict` judges.

mod course;
mod errand;
mod scene;
mod second;
mod verdict;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use idempotent_core::store::PostgresStore;
use idempotent_servers::{Halt, Postgres};

pub(super) use self::course::name;
pub use self::course::{Call, Course, Fate, Point};
pub(super) use self::errand::main;
pub use self::scene::Victim;

use self::scene::{Case, Scene};
use self::second::Second;
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
    pub courses: Vec<Course>,
    /// What came of each call that was broken. What is not here broke a promise.
    pub fates: Vec<(Call, Victim, Point, Fate)>,
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
    let scene = Arc::new(Scene { server: bank().await?, program, level });
    let second = Second::of(&scene).await?;
    let mut orders = (0..ORDERS).map(order);
    let mut courses = Vec::new();
    for (call, order) in Call::ALL.into_iter().zip(&mut orders) {
        let (victim, point) = (Victim::Worker, Point::Acknowledged);
        let undisturbed = Case { call, victim, point, step: None, order };
        second.prepare(&undisturbed).await?;
        courses.push(scene.course(&undisturbed).await?);
    }
    let mut cases = |victim| -> Vec<Case> {
        let points = courses.iter().flat_map(|course| course.points().map(move |at| (course, at)));
        let case = |((course, point), order): ((&Course, Point), Order)| Case {
            call: course.call,
            victim,
            point,
            step: course.step(point),
            order,
        };
        points.zip(&mut orders).map(case).collect()
    };
    let mut ended = scene.kill_workers(cases(Victim::Worker), &second).await?;
    ended.extend(scene.kill_the_server(cases(Victim::Server), &second).await?);
    let tables = Tables::read(&scene.server).await?;
    let mut report = Report {
        level,
        courses,
        fates: Vec::new(),
        broken: tables.broken(),
        took: began.elapsed(),
    };
    for (case, ended) in &ended {
        match tables.fate(case, ended) {
            Ok(fate) => report.fates.push((case.call, case.victim, case.point, fate)),
            Err(why) => report.broken.push(format!("{case:?}: {why}")),
        }
    }
    report.hold_against_the_courses();
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
    PostgresStore::connect(server.url()).await?.migrate().await?;
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
        self.courses.iter().map(|course| course.steps.len()).sum()
    }

    /// Every point of every call, with each victim, and what came of it is what has to.
    fn hold_against_the_courses(&mut self) {
        for course in &self.courses {
            for (victim, point) in
                Victim::ALL.into_iter().flat_map(|victim| course.points().map(move |p| (victim, p)))
            {
                let (found, fate) = (self.fate(course.call, victim, point), course.fate(point));
                if found != Some(fate) {
                    let what = format!(
                        "{level:?}, {call:?}, the {victim:?} killed at {point:?}: {found:?} and not {fate:?}",
                        level = self.level,
                        call = course.call,
                    );
                    self.broken.push(what);
                }
            }
        }
    }

    /// What came of a call that was broken.
    #[must_use]
    pub fn fate(&self, call: Call, victim: Victim, point: Point) -> Option<Fate> {
        let mut fates = self.fates.iter();
        fates.find(|fate| (fate.0, fate.1, fate.2) == (call, victim, point)).map(|fate| fate.3)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cases, took) = (self.fates.len(), self.took.as_secs_f64());
        writeln!(f, "{:?}: {cases} kills at {} steps, {took:.1} s", self.level, self.steps())?;
        for course in &self.courses {
            writeln!(f, "\n{:?}: made again after a kill, it", course.call)?;
            let titles = ["before", "unanswered", "answered"].map(|title| format!("{title:<12}"));
            writeln!(f, "     {:<34}{}", "step", titles.concat())?;
            let fate = |point| {
                let fate = self.fate(course.call, Victim::Worker, point);
                fate.map_or_else(|| "BROKEN".to_owned(), |fate| fate.to_string())
            };
            for (number, (name, message)) in (1..).zip(&course.steps) {
                let fates =
                    Halt::ALL.map(|halt| format!("{:<12}", fate(Point::Step(number, halt))));
                writeln!(f, "{number:>3}  {:<34}{}", format!("{name}: {message}"), fates.concat())?;
            }
            writeln!(f, "     {:<58}{}", "answer acknowledged", fate(Point::Acknowledged))?;
        }
        self.broken.iter().take(20).try_for_each(|what| writeln!(f, "  BROKEN  {what}"))
    }
}
