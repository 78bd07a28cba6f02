//! Turns: every side makes the same calls in each round, in another order each time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::receipt::key;
use crate::rounds::{Ratios, fresh, median};
use crate::side::Outcome;

/// Something that makes calls of ten steps.
#[async_trait]
pub(crate) trait Checkout: Send + Sync + 'static {
    fn name(&self) -> &'static str;

    /// A call with a fresh key.
    async fn checkout(&self, key: &str) -> Outcome;
}

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) tasks: u64,
    /// Calls of one turn.
    pub(crate) calls: u64,
    pub(crate) rounds: u64,
}

/// Measures all sides, and prints a line for each. The first is what the others are compared with.
pub(crate) async fn compare(sides: &[Arc<dyn Checkout>], plan: Plan) {
    let base = fresh();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sides.len()];
    // The first round is for plans, pools and caches.
    for round in 0..=plan.rounds {
        for place in 0..sides.len() {
            let side = (place + round as usize) % sides.len();
            let time = turn(&sides[side], plan, base + round * plan.calls).await;
            if round > 0 {
                times[side].push(time.as_nanos() as f64 / plan.calls as f64);
            }
        }
    }
    println!("Ten steps, {} tasks", plan.tasks);
    for (side, own) in sides.iter().zip(&times) {
        let mut ratios = Ratios::default();
        own.iter().zip(&times[0]).for_each(|(own, first)| ratios.add(own / first));
        let time = median(own.clone());
        println!("  {:28} {time:>11.0} ns {:>8.0} a second   {ratios}", side.name(), 1e9 / time);
    }
}

/// The calls of one turn, spread over the plan's tasks.
async fn turn(side: &Arc<dyn Checkout>, plan: Plan, first: u64) -> Duration {
    let keys = |task| (task..plan.calls).step_by(plan.tasks as usize).map(|n| key(first + n));
    let keys: Vec<Vec<String>> = (0..plan.tasks).map(|task| keys(task).collect()).collect();
    let start = Instant::now();
    if let [keys] = &keys[..] {
        run(&**side, keys).await;
        return start.elapsed();
    }
    let mut tasks = JoinSet::new();
    for keys in keys {
        let side = Arc::clone(side);
        tasks.spawn(async move { run(&*side, &keys).await });
    }
    tasks.join_all().await;
    start.elapsed()
}

async fn run(side: &dyn Checkout, keys: &[String]) {
    for key in keys {
        side.checkout(key).await.expect("the calls succeed");
    }
}
