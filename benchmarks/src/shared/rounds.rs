//! Turns: every side makes the same calls in each round, in another order each time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::receipt::key;
use crate::side::{Side, What};

const ROUNDS: u64 = 15;
/// Keys that replays choose from.
const REPLAYED: u64 = 512;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) what: What,
    pub(crate) tasks: u64,
    /// How many keys the server holds.
    pub(crate) keys: u64,
}

impl Plan {
    /// Calls of one turn.
    fn calls(self) -> u64 {
        if self.tasks == 1 { 1_000 } else { 8_192 }
    }
}

/// Measures all sides, and prints a line for each. The first is what the others are compared with.
pub(crate) async fn compare(sides: &[Arc<dyn Side>], plan: Plan) {
    // Keys that no other plan has used.
    let base = unused();
    for side in sides {
        turn(side, Plan { what: What::Execute, ..plan }, base, REPLAYED).await;
        turn(side, Plan { what: What::Replay, ..plan }, base, REPLAYED).await;
    }
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    for round in 0..ROUNDS {
        for place in 0..sides.len() {
            let side = (place + round as usize) % sides.len();
            let first = match plan.what {
                What::Execute => base + REPLAYED + round * plan.calls(),
                What::Replay => base,
            };
            let time = turn(&sides[side], plan, first, plan.calls()).await;
            times[side].push(time.as_nanos() as f64 / plan.calls() as f64);
        }
    }
    println!("{:?}, {} tasks, {} keys in the server", plan.what, plan.tasks, plan.keys);
    for (side, own) in sides.iter().zip(&times) {
        let ratios = own.iter().zip(&times[0]).map(|(own, limit)| own / limit).collect();
        println!("  {:24} {:>9.0} ns   {:.2} x", side.name(), median(own.clone()), median(ratios));
    }
}

/// So many calls, spread over the plan's tasks.
async fn turn(side: &Arc<dyn Side>, plan: Plan, first: u64, calls: u64) -> Duration {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..plan.tasks {
        let side = side.clone();
        tasks.spawn(async move {
            for n in (task..calls).step_by(plan.tasks as usize) {
                let outcome = match plan.what {
                    What::Execute => side.execute(&key(first + n)).await,
                    What::Replay => side.replay(&key(first + n % REPLAYED)).await,
                };
                outcome.expect("the call succeeds");
            }
        });
    }
    tasks.join_all().await;
    start.elapsed()
}

fn unused() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(10_000_000, Ordering::Relaxed)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
