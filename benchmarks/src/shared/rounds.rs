//! Turns: every side makes the same calls in each round, in another order each time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::receipt::key;
use crate::side::{AnySide, What};

const ROUNDS: u64 = 15;
/// Keys that replays choose from.
const REPLAYED: u64 = 512;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) what: What,
    pub(crate) tasks: u64,
    /// How many keys the server holds.
    pub(crate) keys: u64,
    /// Calls of one turn, of a side whose pace is the others'.
    pub(crate) calls: u64,
}

impl Plan {
    /// The first key of a turn, of those that begin with `base`.
    pub(crate) fn first(self, base: u64, turn: u64) -> u64 {
        match self.what {
            What::Execute => base + REPLAYED + turn * self.calls,
            What::Replay => base,
        }
    }

    /// How many calls a turn of this side has.
    fn calls_of(self, side: &dyn AnySide) -> u64 {
        match self.what {
            What::Execute => self.calls,
            What::Replay => self.calls * side.pace(),
        }
    }

    /// The key of a turn's call `n`.
    fn key(self, first: u64, n: u64) -> String {
        match self.what {
            What::Execute => key(first + n),
            What::Replay => key(first + n % REPLAYED),
        }
    }
}

/// The ratios of the rounds.
#[derive(Default)]
pub(crate) struct Ratios(Vec<f64>);

/// Measures all sides, and prints a line for each. The first is what the others are compared with.
/// Gives the second's ratio.
pub(crate) async fn compare(sides: &[Arc<dyn AnySide>], plan: Plan) -> f64 {
    let base = fresh();
    for side in sides {
        prepare(side, plan, base).await;
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    for round in 0..ROUNDS {
        for place in 0..sides.len() {
            let side = (place + round as usize) % sides.len();
            let calls = plan.calls_of(&*sides[side]);
            let time = turn(&sides[side], plan, plan.first(base, round), calls).await;
            times[side].push(time.as_nanos() as f64 / calls as f64);
        }
    }
    println!("{:?}, {} tasks, {} keys in the server at first", plan.what, plan.tasks, plan.keys);
    let mut second = 1.0;
    for (place, (side, own)) in sides.iter().zip(&times).enumerate() {
        let mut ratios = Ratios::default();
        own.iter().zip(&times[0]).for_each(|(own, limit)| ratios.add(own / limit));
        println!("  {:24} {:>9.0} ns   {ratios}", side.name(), median(own.clone()));
        if place == 1 {
            second = median(ratios.0);
        }
    }
    second
}

/// Executes the calls that replays choose from, and warms up.
pub(crate) async fn prepare(side: &Arc<dyn AnySide>, plan: Plan, base: u64) {
    turn(side, Plan { what: What::Execute, ..plan }, base, REPLAYED).await;
    turn(side, Plan { what: What::Replay, ..plan }, base, REPLAYED).await;
}

/// So many calls, spread over the plan's tasks. Their keys are there before the time begins.
pub(crate) async fn turn(side: &Arc<dyn AnySide>, plan: Plan, first: u64, calls: u64) -> Duration {
    let keys = |task| (task..calls).step_by(plan.tasks as usize).map(|n| plan.key(first, n));
    let keys: Vec<Vec<String>> = (0..plan.tasks).map(|task| keys(task).collect()).collect();
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for keys in keys {
        let side = side.clone();
        tasks.spawn(async move {
            side.calls(plan.what, &keys).await.expect("the calls succeed");
        });
    }
    tasks.join_all().await;
    start.elapsed()
}

/// The first of keys that no other plan uses.
pub(crate) fn fresh() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(10_000_000, Ordering::Relaxed)
}

impl Ratios {
    pub(crate) fn add(&mut self, ratio: f64) {
        self.0.push(ratio);
    }
}

impl fmt::Display for Ratios {
    /// The median, and the quartiles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter: usize| sorted[sorted.len() * quarter / 4];
        write!(f, "{:.2} x ({:.2} to {:.2})", at(2), at(1), at(3))
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
