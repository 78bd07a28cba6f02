//! Calls a second.

use crate::rounds::{Plan, Ratios, fresh, median, prepare, turn};
use crate::side::What;
use crate::sides::Sides;

const ROUNDS: usize = 9;

/// Calls of one turn: about a second's. A replay never waits for the disk.
const fn calls(what: What, tasks: u64, pace: Pace) -> u64 {
    match (what, pace, tasks) {
        (What::Replay, _, 1) => 8_000,
        (What::Replay, ..) => 32_768,
        (What::Execute, Pace::Disk, 1) => 200,
        (What::Execute, Pace::Processor, 1) => 2_000,
        (What::Execute, Pace::Disk, tasks) => 16 * tasks,
        (What::Execute, Pace::Processor, tasks) => 128 * tasks,
    }
}

/// What executions wait for.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    Disk,
    Processor,
}

/// Prints the rate of each side, and how often it has those of the older revision and of the plain statements.
pub(crate) async fn measure(sides: &Sides, tasks: &[u64], pace: Pace) {
    for tasks in tasks.iter().copied() {
        for what in [What::Execute, What::Replay] {
            compare(sides, Plan { what, tasks, keys: 0, calls: calls(what, tasks, pace) }).await;
        }
    }
}

async fn compare(sides: &Sides, plan: Plan) {
    let base = fresh();
    for side in &sides.0 {
        prepare(side, plan, base).await;
    }
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for place in 0..rates.len() {
            let which = (place + round) % rates.len();
            let first = plan.first(base, round as u64);
            let time = turn(&sides.0[which], plan, first, plan.calls).await;
            rates[which].push(plan.calls as f64 / time.as_secs_f64());
        }
    }
    println!("{:?}, {} tasks", plan.what, plan.tasks);
    println!(
        "  {:20} {:>9}   {:26} beside plain statements",
        "", "a second", "beside the older revision"
    );
    for (side, own) in sides.0.iter().zip(&rates) {
        let [older, plain] = [&rates[0], &rates[2]].map(|others| {
            let mut ratios = Ratios::default();
            own.iter().zip(others).for_each(|(own, other)| ratios.add(own / other));
            ratios.to_string()
        });
        println!("  {:20} {:>9.0}   {older:26} {plain}", side.name(), median(own.clone()));
    }
}
