//! A fleet that moves, as a random program: callers of one key in processes of neighbouring modes, whose every message may
//! overtake others or be lost; processes that die at any message, a mover that dies, servers that are away, and leases that
//! lapse. Everything is decided by a seed. `IDEMPOTENT_MIGRATION_SEEDS=100000` makes the long run.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use idempotent_core::Guarantee;
use idempotent_core::backends::{Migrating, MigrationMode, Mover};
use idempotent_core::model::{Envelope, Outcome, RecordId, Token};
use idempotent_core::store::{
    Abandon, Clock as _, Complete, CompleteOutcome, Release, Renew, Reserve, ReserveOutcome, State,
    Store,
};
use idempotent_core::testing::ManualClock;

use crate::gate::{Flaw, Gate, Node, turn};
use crate::random::Random;

use MigrationMode::{Both, New, Old};

const LEASE: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(1_000_000_000);
/// The modes that run side by side, one stage after the other.
const STAGES: [[MigrationMode; 2]; 5] =
    [[Old, Old], [Old, Both], [Both, Both], [Both, New], [New, New]];

/// When leases may lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lapses {
    /// At any moment.
    Any,
    /// Only while nobody holds a reservation and runs.
    OfTheDead,
}

/// What has happened, outside of the stores.
#[derive(Default)]
struct Ledger {
    effects: Vec<Token>,
    /// Results that their owner knows to be recorded.
    recorded: Vec<Token>,
    replayed: Vec<Token>,
    /// Callers that have won and not ended.
    running: usize,
    violations: Vec<String>,
    /// What happened, in order.
    trace: Vec<(&'static str, Duration)>,
}

struct World {
    id: RecordId,
    guarantee: Guarantee,
    lapses: Lapses,
    clock: ManualClock,
    old: Node,
    new: Node,
    random: Arc<Random>,
    stage: Mutex<usize>,
    /// Who runs while others stand still, for a while.
    favoured: Mutex<u64>,
    ledger: Mutex<Ledger>,
}

/// Counts a caller that has won, until it ends or dies.
struct Running(Arc<World>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ledger.lock().unwrap().running -= 1;
    }
}

impl World {
    fn new(seed: u64, Plan { guarantee, lapses, .. }: Plan) -> Arc<Self> {
        let clock = ManualClock::new();
        let random = Arc::new(Random::new(seed));
        let (old, new) = (Node::new(&clock, &random), Node::new(&clock, &random));
        let id = RecordId::of("shop::charge", None, &"order").unwrap();
        let (stage, favoured, ledger) = (Mutex::new(0), Mutex::new(0), Mutex::default());
        Arc::new(Self { id, guarantee, lapses, clock, old, new, random, stage, favoured, ledger })
    }

    /// Whether a result stands where every process looks that may run now.
    fn everybody_sees_a_result(&self) -> bool {
        let has_old_readers = STAGES[*self.stage.lock().unwrap()].contains(&Old);
        self.old.has_result.load(Relaxed) || (!has_old_readers && self.new.has_result.load(Relaxed))
    }

    fn note(&self, what: &'static str) {
        let now = self.clock.now();
        self.ledger.lock().unwrap().trace.push((what, now));
    }

    /// Counts a caller that has won.
    fn begin(self: &Arc<Self>) -> Running {
        self.note("won");
        let mut ledger = self.ledger.lock().unwrap();
        ledger.running += 1;
        if self.lapses == Lapses::OfTheDead && ledger.running > 1 {
            ledger.violations.push("two calls run at once, and no lease has lapsed".into());
        }
        Running(Arc::clone(self))
    }

    fn effect(&self, token: Token) {
        self.note("effect");
        let mut ledger = self.ledger.lock().unwrap();
        if self.guarantee == Guarantee::AtMostOnce && !ledger.effects.is_empty() {
            ledger.violations.push("the effect happened twice, at most once".into());
        }
        if self.everybody_sees_a_result() {
            ledger.violations.push("the effect happened again after its result was written".into());
        }
        if !ledger.recorded.is_empty() {
            ledger
                .violations
                .push("the effect happened again after its result was recorded".into());
        }
        ledger.effects.push(token);
    }

    fn replay(&self, payload: &[u8]) {
        self.note("replayed");
        let token = Token::from_bytes(payload.try_into().unwrap());
        self.ledger.lock().unwrap().replayed.push(token);
    }
}

/// A caller in a process of this mode, until it has an answer or gives up.
async fn caller(world: Arc<World>, mode: MigrationMode, flaw: Flaw) {
    let (old, new) = Node::gates(&world.old, &world.new, flaw);
    let store = Migrating::new(old, new, mode);
    for _ in 0..6 {
        let mut envelope = Envelope::new("shop::charge");
        (envelope.guarantee, envelope.lease) = (world.guarantee, LEASE);
        let request = Reserve::new(&world.id, envelope);
        let answer = store.reserve(&request).await;
        let sent = store.from().take_sent().unwrap_or_default();
        match answer {
            Ok(ReserveOutcome::Won) if world.clock.now() - sent < LEASE => {
                return run(&world, &store, &request, sent).await;
            }
            Ok(ReserveOutcome::Taken(entry)) => match (entry.state, entry.record.outcome()) {
                (State::Completed, Outcome::Kept(payload)) => return world.replay(payload),
                (State::Indeterminate, _) => return,
                _ => turn().await,
            },
            // As the engine does: the reservation may stand.
            _ => {
                for _ in 0..2 {
                    let _ = store.release(&Release::new(&world.id, request.record())).await;
                }
            }
        }
    }
}

/// The body of a caller that has won, and its end.
async fn run(
    world: &Arc<World>,
    store: &Migrating<Gate, Gate>,
    request: &Reserve<'_>,
    sent: Duration,
) {
    let running = world.begin();
    let reservation = request.record();
    if world.random.one_in(4) {
        let _ = store.renew(&Renew::new(&world.id, reservation, LEASE)).await;
    }
    if world.random.one_in(6) {
        // It failed before its effect. The next one may run as soon as the store is told.
        drop(running);
        let _ = store.release(&Release::new(&world.id, reservation)).await;
        return;
    }
    if world.clock.now() - sent >= LEASE {
        return;
    }
    world.effect(request.token());
    turn().await;
    if world.random.one_in(8) {
        drop(running);
        let abandoned = reservation.abandoned();
        let _ = store.abandon(&Abandon::new(&world.id, reservation, &abandoned)).await;
        return;
    }
    let record = reservation.completed(request.token().as_bytes());
    let complete = Complete::new(&world.id, reservation, &record, TTL);
    for _ in 0..12 {
        match store.complete(&complete).await {
            Ok(CompleteOutcome::Recorded) => {
                world.note("recorded");
                world.ledger.lock().unwrap().recorded.push(request.token());
                return;
            }
            Ok(_) => return,
            Err(_) => turn().await,
        }
    }
}

async fn mover(world: Arc<World>) {
    let (old, new) = Node::gates(&world.old, &world.new, Flaw::None);
    let mover = Mover::new(old, new).page(2).concurrency(1);
    for _ in 0..3 {
        let mut pass = mover.pass();
        while let Ok(true) = pass.next().await {}
    }
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// What is run.
#[derive(Clone, Copy, Debug)]
struct Plan {
    guarantee: Guarantee,
    lapses: Lapses,
    flaw: Flaw,
    first_stage: usize,
    /// One of so many steps may be a fault of each kind.
    calm: u64,
}

impl Plan {
    const fn new(guarantee: Guarantee, lapses: Lapses) -> Self {
        Self { guarantee, lapses, flaw: Flaw::None, first_stage: 0, calm: 60 }
    }
}

/// Runs one seed, and returns what was violated, and what happened.
async fn run_seed(seed: u64, plan: Plan) -> (Vec<String>, Vec<(&'static str, Duration)>) {
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
    world.clock.advance(LEASE * 2);
    let (old, new) = (world.old.records.clone(), world.new.records.clone());
    let mover = Mover::new(old.clone(), new.clone());
    let mut pass = mover.pass();
    while pass.next().await.unwrap() {}
    let report = *pass.report();
    let left = new.load(&world.id).await.unwrap();
    let in_old = old.load(&world.id).await.unwrap();
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

fn seeds() -> u64 {
    let seeds = std::env::var("IDEMPOTENT_MIGRATION_SEEDS");
    seeds.ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(800)
}

/// The first seed that shows a violation.
fn first_violation(seeds: u64, plan: Plan) -> Option<(u64, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for seed in 0..seeds {
            let (violations, _) = run_seed(seed, plan).await;
            if !violations.is_empty() {
                return Some((seed, violations));
            }
        }
        None
    })
}

const AT_MOST_ONCE: Plan = Plan::new(Guarantee::AtMostOnce, Lapses::Any);
const AT_LEAST_ONCE: Plan = Plan::new(Guarantee::AtLeastOnce, Lapses::OfTheDead);

#[test]
fn at_most_once_no_effect_happens_twice_and_no_result_is_lost() {
    for calm in [60, 20] {
        assert_eq!(first_violation(seeds(), Plan { calm, ..AT_MOST_ONCE }), None);
    }
}

#[test]
fn at_least_once_no_effect_happens_again_once_its_result_is_written() {
    for calm in [60, 20] {
        assert_eq!(first_violation(seeds(), Plan { calm, ..AT_LEAST_ONCE }), None);
    }
}

/// The guard-outs: each rule is needed, and the simulation finds that it is left out.
#[test]
fn a_process_that_leaves_a_rule_out_is_found() {
    for (flaw, first_stage, plan) in [
        (Flaw::NoLook, 1, AT_LEAST_ONCE),
        (Flaw::NoLook, 1, AT_MOST_ONCE),
        (Flaw::OneWin, 3, AT_MOST_ONCE),
        (Flaw::NewResultOnly, 1, AT_LEAST_ONCE),
    ] {
        let begin = std::time::Instant::now();
        let found = first_violation(20_000, Plan { flaw, first_stage, calm: 20, ..plan });
        println!("{flaw:?}: {found:?} after {:?}", begin.elapsed());
        assert!(found.is_some(), "{flaw:?}");
    }
}

#[test]
fn the_same_seed_does_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut lengths = Vec::new();
        for seed in 0..20 {
            let (once, again) =
                (run_seed(seed, AT_MOST_ONCE).await, run_seed(seed, AT_MOST_ONCE).await);
            assert_eq!(once, again, "seed {seed}");
            lengths.push(once.1.len());
        }
        assert!(lengths.iter().sum::<usize>() > 100, "{lengths:?}");
    });
}
