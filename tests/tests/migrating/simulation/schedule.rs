//! What a seed decides: who begins when, whose message goes on next, and which fault comes instead.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};
use std::time::Duration;

use idempotent_core::Guarantee;
use idempotent_core::backends::{MigrationMode, Mover};
use idempotent_core::model::{Outcome, Token};
use idempotent_core::store::{State, Store};

use super::gate::Flaw;
use super::processes::{LEASE, caller, mover};
use super::world::{LATE, Lapses, STAGES, World};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) guarantee: Guarantee,
    pub(super) lapses: Lapses,
    pub(super) flaw: Flaw,
    pub(super) first_stage: usize,
    /// One of so many steps may be a fault of each kind.
    pub(super) calm: u64,
}

impl Plan {
    pub(super) const fn new(guarantee: Guarantee, lapses: Lapses) -> Self {
        Self { guarantee, lapses, flaw: Flaw::None, first_stage: 0, calm: 60 }
    }
}

/// Runs one seed, and returns what was violated, and what happened.
pub(super) async fn run_seed(
    seed: u64,
    plan: Plan,
) -> (Vec<String>, Vec<(&'static str, Duration)>) {
    let world = World::new(seed, plan);
    let random = Arc::clone(&world.random);
    let mut tasks: Vec<(Option<MigrationMode>, Task)> = Vec::new();
    for (stage, modes) in STAGES.iter().enumerate().skip(plan.first_stage) {
        // No process of the mode before the last one is left.
        while tasks.iter().any(|(mode, _)| mode.is_some_and(|mode| !modes.contains(&mode))) {
            step(&world, &mut tasks, plan).await;
        }
        *world.stage.lock().unwrap() = stage;
        for _ in 0..random.below(4) {
            let mode = modes[random.below(2) as usize];
            tasks.push((Some(mode), Box::pin(caller(Arc::clone(&world), mode, plan.flaw))));
        }
        if stage >= 2 {
            tasks.push((None, Box::pin(mover(Arc::clone(&world)))));
        }
        for _ in 0..random.below(60) {
            step(&world, &mut tasks, plan).await;
        }
    }
    while !tasks.is_empty() {
        step(&world, &mut tasks, plan).await;
    }
    let trace = std::mem::take(&mut world.ledger.lock().unwrap().trace);
    (end(&world).await, trace)
}

/// One message, or one fault.
async fn step(world: &Arc<World>, tasks: &mut Vec<(Option<MigrationMode>, Task)>, plan: Plan) {
    let random = &world.random;
    match random.below(plan.calm) {
        0 if !tasks.is_empty() => {
            let killed = random.below(tasks.len() as u64) as usize;
            drop(tasks.swap_remove(killed));
            world.note("killed");
        }
        1 => {
            let node = if random.one_in(2) { &world.old } else { &world.new };
            node.is_down.fetch_xor(true, Relaxed);
            world.note("a server is away, or back");
        }
        2 => {
            let is_quiet = world.ledger.lock().unwrap().running == 0;
            if plan.lapses == Lapses::Any || is_quiet {
                let part = if random.one_in(2) { LEASE } else { LEASE / 2 };
                world.clock.advance(part + Duration::from_secs(1));
                world.note("time has passed");
            }
        }
        3 | 5 | 6 => {
            let passed = Duration::from_millis(500 + random.below(3_000));
            tokio::time::advance(passed).await;
            if plan.lapses == Lapses::Any {
                world.clock.advance(passed);
            }
        }
        4 => {
            let node = if random.one_in(2) { &world.old } else { &world.new };
            if node.deliver_late().await {
                world.note(LATE);
            }
        }
        _ => {
            if !tasks.is_empty() {
                let mut favoured = world.favoured.lock().unwrap();
                if random.one_in(8) {
                    *favoured = random.below(1 << 32);
                }
                let chosen = (*favoured % tasks.len() as u64) as usize;
                let mut context = Context::from_waker(Waker::noop());
                if tasks[chosen].1.as_mut().poll(&mut context).is_ready() {
                    drop(tasks.swap_remove(chosen));
                }
            }
        }
    }
    // The mover's own tasks.
    tokio::task::yield_now().await;
}

/// Everything has ended: the mover makes its last passes, and nobody asks the old store any more.
async fn end(world: &World) -> Vec<String> {
    for node in [&world.old, &world.new] {
        while node.deliver_late().await {}
    }
    world.clock.advance(LEASE * 2);
    let (old, new) = (world.old.records.clone(), world.new.records.clone());
    let mover = Mover::new(old.clone(), new.clone());
    let mut pass = mover.pass();
    while pass.next().await.unwrap() {}
    let report = *pass.report();
    let left = new.load(world.id).await.unwrap();
    let in_old = old.load(world.id).await.unwrap();
    let mut ledger = world.ledger.lock().unwrap();
    let mut violations = std::mem::take(&mut ledger.violations);
    let result = left.and_then(|entry| match (entry.state, entry.record.outcome()) {
        (State::Completed, Outcome::Kept(payload)) => {
            Some(Token::from_bytes(payload.try_into().unwrap()))
        }
        _ => None,
    });
    if ledger.effects.len() > 1 {
        // A lease had lapsed. Which run's result stands is not promised.
        return violations;
    }
    let known = ledger.recorded.iter().chain(&ledger.replayed);
    for token in known {
        if result != Some(*token) {
            violations.push(format!("a result that was recorded or replayed is lost: {report:?}"));
        }
    }
    let is_result = in_old.is_some_and(|entry| entry.state == State::Completed);
    if (is_result && result.is_none()) || report.conflicts + report.busy + report.running > 0 {
        violations.push(format!("the mover left a result: {report:?}"));
    }
    violations
}
