//! Kills at the steps of a call while others are made: which step is next, and who came to it.
//!
//! Each worker reaches the server through a proxy of its own. The steps are those of a transfer on a
//! connection that has its statements prepared, as most have under load, and each gets its turn before,
//! at and after its answer.

use std::collections::BTreeMap;

use anyhow::Result;
use fastrand::Rng;
use idempotent_servers::{Halt, Halted, Postgres, Step, StepProxy};

use super::steps::name;

/// Where workers were killed: statement, message and moment.
pub type Stopped = BTreeMap<(&'static str, &'static str, Halt), u32>;

/// A step by its number and by what it is, and where at it.
type Point = (u32, Step, Halt);

#[derive(Debug)]
pub(super) struct StepKills {
    proxies: Vec<StepProxy>,
    /// Once such a transfer was seen, in the order of their turns.
    pub(super) points: Vec<Point>,
    turns: usize,
    /// To which nobody came yet.
    wanted: Option<Point>,
    random: Rng,
    pub(super) stopped: Stopped,
}

impl StepKills {
    pub(super) async fn start(server: &Postgres, workers: u32, seed: u64) -> Result<Self> {
        let mut proxies = Vec::new();
        for _ in 0..workers {
            proxies.push(StepProxy::start(server.address()).await?);
        }
        let random = Rng::with_seed(seed);
        let (points, stopped) = (Vec::new(), Stopped::new());
        Ok(Self { proxies, points, turns: 0, wanted: None, random, stopped })
    }

    /// Where each worker finds the server.
    pub(super) fn urls(&self, server: &Postgres) -> Vec<String> {
        self.proxies.iter().map(|proxy| proxy.postgres_url(server)).collect()
    }

    /// Lets the first transaction that comes to the next point stand still there. Says no while one
    /// is still to come, and before a transfer was seen from which to know the points.
    pub(super) fn next(&mut self) -> bool {
        if self.points.is_empty() {
            self.points = self.learn();
        }
        if self.wanted.is_some() || self.points.is_empty() {
            return false;
        }
        let (number, step, halt) = self.points[self.turns % self.points.len()].clone();
        self.turns += 1;
        for proxy in &self.proxies {
            proxy.halt_at(number, &step, halt);
        }
        self.wanted = Some((number, step, halt));
        true
    }

    fn learn(&mut self) -> Vec<Point> {
        let seen = self.proxies.iter().flat_map(StepProxy::seen).find(|steps| is_a_transfer(steps));
        let points = (1..)
            .zip(seen.unwrap_or_default())
            .flat_map(|(number, step)| Halt::ALL.map(|halt| (number, step.clone(), halt)));
        let mut points: Vec<_> = points.collect();
        self.random.shuffle(&mut points);
        points
    }

    /// Who stands still, to be killed.
    pub(super) fn standing(&mut self) -> Vec<usize> {
        let halted = self.proxies.iter().map(StepProxy::take_halted);
        let halted: Vec<(usize, Halted)> =
            halted.enumerate().filter_map(|(worker, halted)| Some((worker, halted?))).collect();
        for (_, halted) in &halted {
            let step = halted.step();
            // Others may have been on their way to an earlier point.
            let point = (halted.number(), step.clone(), halted.halt());
            if self.wanted.take_if(|wanted| *wanted == point).is_some() {
                self.proxies.iter().for_each(StepProxy::let_pass);
            }
            let name = name(step.statement()).unwrap_or("another statement");
            *self.stopped.entry((name, step.message(), halted.halt())).or_default() += 1;
        }
        halted.into_iter().map(|(worker, _)| worker).collect()
    }
}

/// Whether that is the way of a transfer that was made, and all of whose statements were prepared.
fn is_a_transfer(steps: &[Step]) -> bool {
    let is = |wanted| move |step: &Step| name(step.statement()) == Some(wanted);
    steps.iter().any(is("complete"))
        && steps.last().is_some_and(is("commit"))
        && steps.iter().all(|step| step.message() != "Parse")
}
