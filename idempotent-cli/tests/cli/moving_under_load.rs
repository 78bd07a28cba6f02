//! A fleet that moves between real servers under load, while the command that moves is killed again and again, and both
//! servers are killed and come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::{Migrating, MigrationMode, PostgresStore, RedisStore};
use idempotent_core::engine::Resolution;
use idempotent_core::store::{Entry, Scan, State};
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Store};
use idempotent_servers::{Data, Postgres, Redis, Server, require};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::run::{command, json as all, one};

use MigrationMode::{Both, New, Old};

/// What nobody knows is refused, so a second effect would be a fault; and outages are shorter than the lease.
const CHARGE: Operation = Operation::new("shop.charge")
    .guarantee(Guarantee::AtMostOnce)
    .lease(Duration::from_secs(12))
    .ttl(Duration::from_secs(3600));

/// So many orders are charged for the first time in each stage.
const TOLD_IN_A_STAGE: usize = 20;

/// So many are charged before, by a process in `Old`. Nobody asks for them again, so only a mover brings them to the new
/// store.
const BEFORE: u64 = 20;
const FIRST_BEFORE: u64 = 1_000_000;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(90);

const MOVE: [&str; 4] = ["move", "--yes", "--reason", "to the new store"];

/// What happened outside of the stores, and what callers were told.
#[derive(Default)]
struct Ledger {
    effects: Mutex<HashMap<u64, u64>>,
    told: Mutex<HashMap<u64, String>>,
    calls: AtomicU64,
}

impl Ledger {
    async fn charge(&self, engine: &Idempotency, order: u64) -> Result<String, Error> {
        let call = CHARGE.key(&order).engine(engine).returning::<Result<String, Error>>();
        call.run(|| async {
            let nth = {
                let mut effects = self.effects.lock().expect("nobody panics");
                let effects = effects.entry(order).or_default();
                *effects += 1;
                *effects
            };
            sleep(Duration::from_millis(5)).await;
            Ok(receipt(order, nth))
        })
        .await
    }

    fn tell(&self, order: u64, receipt: &str) {
        let told = self.told.lock().expect("nobody panics").insert(order, receipt.to_owned());
        assert!(told.is_none_or(|told| told == receipt), "order {order}: two results");
    }

    fn effects(&self) -> HashMap<u64, u64> {
        self.effects.lock().expect("nobody panics").clone()
    }

    fn told(&self) -> HashMap<u64, String> {
        self.told.lock().expect("nobody panics").clone()
    }
}

fn receipt(order: u64, run: u64) -> String {
    format!("receipt {order}, run {run}")
}

async fn redis(server: &Redis) -> RedisStore {
    RedisStore::builder(server.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .expect("it connects")
}

async fn postgres(server: &Postgres) -> PostgresStore {
    let store = PostgresStore::builder(server.url()).max_connections(4).connect().await;
    let store = store.expect("it connects");
    store.migrate().await.expect("it migrates");
    store
}

/// Two servers, by what they are for.
struct Servers<O, N> {
    old: O,
    new: N,
    old_url: String,
    new_url: String,
}

/// Orders from both of two processes until the time is up: new ones, and retries of earlier ones.
async fn load(ledger: &Arc<Ledger>, engines: [Idempotency; 2], until: Instant) {
    let mut workers = JoinSet::new();
    let enough = ledger.told().len() + TOLD_IN_A_STAGE;
    for worker in 0..8_u64 {
        let (ledger, engines) = (Arc::clone(ledger), engines.clone());
        workers.spawn(async move {
            // A machine that is busy otherwise may take longer until both servers are back.
            while Instant::now() < until
                || (ledger.told().len() < enough
                    && Instant::now() < until + Duration::from_secs(60))
            {
                let nth = ledger.calls.fetch_add(1, Ordering::Relaxed);
                // Neighbouring workers have the same orders, so that both modes meet.
                let order = if nth % 5 == 4 { (nth * 7919) % (nth / 4 + 1) } else { nth / 4 };
                let engine = &engines[(worker % 2) as usize];
                match ledger.charge(engine, order).await {
                    Ok(receipt) => ledger.tell(order, &receipt),
                    // Down, or running: nobody was told anything.
                    Err(_) => sleep(Duration::from_millis(20)).await,
                }
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.expect("it ends");
    }
    for engine in engines {
        engine.drain().await;
    }
}

/// The command, started again and again and killed at some moment, until it is told to stop. How often it was killed while it
/// ran: one that finds a server away ends by itself.
async fn killed_movers(old_url: String, new_url: String, stop: Arc<AtomicBool>) -> u32 {
    let mut killed = 0;
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut moving = command(&MOVE);
        moving.args(["--until-done", "--to", &new_url]).env("IDEMPOTENT_STORE", &old_url);
        let mut child = moving.spawn().expect("it starts");
        // Longer and longer, so that some copy something on a machine that is busy, too.
        let lives = Duration::from_millis(100 + nth * 131 % 1400 + nth * 10);
        if timeout(lives, child.wait()).await.is_err() {
            child.kill().await.expect("it runs");
            killed += 1;
        }
    }
    killed
}

async fn a_fleet_moves<A, B, FA, FB>(
    servers: Servers<FA, FB>,
    has_circuit: bool,
    faults: impl AsyncFn(usize),
) -> (Arc<Ledger>, B)
where
    A: Store + Clone,
    B: Store + Clone,
    FA: AsyncFn() -> A,
    FB: AsyncFn() -> B,
{
    let ledger = Arc::new(Ledger::default());
    let process = async |mode| {
        let store = Migrating::new((servers.old)().await, (servers.new)().await, mode);
        let builder = Idempotency::builder(store);
        if has_circuit { builder.build() } else { builder.without_circuit().build() }
    };
    let before = process(Old).await;
    for order in FIRST_BEFORE..FIRST_BEFORE + BEFORE {
        let receipt = loop {
            match ledger.charge(&before, order).await {
                Ok(receipt) => break receipt,
                // A machine that is busy otherwise.
                Err(error) => assert!(error.is_retryable(), "both servers are there: {error}"),
            }
            sleep(Duration::from_millis(50)).await;
        };
        ledger.tell(order, &receipt);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut movers = None;
    for (stage, modes) in
        [[Old, Both], [Both, Both], [Both, New], [New, New]].into_iter().enumerate()
    {
        let engines = [process(modes[0]).await, process(modes[1]).await];
        if stage == 1 {
            let (from, to) = (servers.old_url.clone(), servers.new_url.clone());
            movers = Some(tokio::spawn(killed_movers(from, to, Arc::clone(&stop))));
        }
        let until = Instant::now() + Duration::from_secs(3);
        let faults = async {
            sleep(Duration::from_secs(1)).await;
            faults(stage).await;
        };
        tokio::join!(load(&ledger, engines, until), faults);
    }
    // A mover may need some lives for its first page.
    let (to, begin) = ((servers.new)().await, Instant::now());
    while !has_some_from_before(&to).await {
        assert!(begin.elapsed() < LONG, "no mover copied anything before it was killed");
        sleep(Duration::from_millis(100)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let killed = movers.expect("they began").await.expect("they end");
    assert!(killed >= 4, "the mover was killed {killed} times");
    move_the_rest(&servers, &ledger, &process(New).await).await;
    (ledger, to)
}

fn order_of(entry: &Entry) -> Option<u64> {
    entry.record.key()?.parse().ok()
}

async fn has_some_from_before(new: &impl Store) -> bool {
    let mut next = Some(Scan::all());
    while let Some(scan) = next {
        let page = new.scan(&scan).await.expect("it answers");
        let mut completed =
            page.entries.iter().filter(|(_, entry)| entry.state == State::Completed);
        if completed.any(|(_, entry)| order_of(entry) >= Some(FIRST_BEFORE)) {
            return true;
        }
        next = page.next.map(|cursor| scan.after(cursor));
    }
    false
}

/// The last pass. Calls that were running when a server died are in doubt: the ledger knows of each whether it happened.
async fn move_the_rest<FA, FB>(servers: &Servers<FA, FB>, ledger: &Ledger, operator: &Idempotency) {
    let moving = [&MOVE[..], &["--to", &servers.new_url]].concat();
    let begin = Instant::now();
    loop {
        let (report, code) = one(&servers.old_url, &moving).await;
        let is_settled = code == 0 || report["left"]["running"] == 0 && code == 8;
        if is_settled {
            break;
        }
        assert!(begin.elapsed() < LONG, "{report}");
        sleep(Duration::from_millis(500)).await;
    }
    let mut next = Some(Scan::indeterminate());
    while let Some(scan) = next {
        let page = operator.scan(&scan).await.expect("both answer");
        for seen in &page.entries {
            let order: u64 = seen.key().and_then(|key| key.parse().ok()).expect("an order");
            let resolution = match ledger.effects().get(&order) {
                Some(run) => Resolution::completed(receipt(order, *run)),
                None => Resolution::never_happened_and_owner_is_dead(),
            };
            operator.resolve(seen, resolution).await.expect("it is resolved");
        }
        next = page.next.map(|cursor| scan.after(cursor));
    }
    let until_done = [&moving[..], &["--until-done"]].concat();
    let (passes, code) = timeout(LONG, all(&servers.old_url, &until_done)).await.expect("it ends");
    assert_eq!(code, 0, "{passes:#?}");
}

/// The old server is gone for good.
async fn nothing_is_lost_and_nothing_happened_twice<B: Store>(ledger: &Ledger, to: B) {
    let (told, effects) = (ledger.told(), ledger.effects());
    assert!(
        told.len() >= 4 * TOLD_IN_A_STAGE + BEFORE as usize,
        "there was no load: {}",
        told.len()
    );
    for (order, times) in &effects {
        assert_eq!(*times, 1, "effects of order {order}");
    }
    let engine = Idempotency::new(to);
    for (order, receipt) in &told {
        assert_eq!(ledger.charge(&engine, *order).await.expect("it replays"), *receipt);
    }
    // Also of those whose caller was told nothing.
    for order in effects.keys() {
        let replayed = ledger.charge(&engine, *order).await.expect("it replays");
        assert_eq!(replayed, receipt(*order, 1));
    }
    assert_eq!(ledger.effects(), effects, "a result was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_moves_from_redis_to_postgres_while_the_mover_and_both_servers_are_killed() {
    require!(Server::Redis);
    require!(Server::Postgres);
    let (from, to) = (Redis::builder().persistent_aof().start().await, Postgres::start().await);
    let servers = Servers {
        old: async || redis(&from).await,
        new: async || postgres(&to).await,
        old_url: from.url(),
        new_url: to.url(),
    };
    let faults = async |stage| match stage {
        0 => from.restart(Data::Keep).await,
        2 => drop(tokio::join!(from.restart(Data::Keep), to.restart())),
        _ => to.restart().await,
    };
    let (ledger, store) = a_fleet_moves(servers, true, faults).await;
    from.kill();
    nothing_is_lost_and_nothing_happened_twice(&ledger, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_moves_from_postgres_to_redis_while_the_mover_and_both_servers_are_killed() {
    require!(Server::Redis);
    require!(Server::Postgres);
    let (to, from) = (Redis::builder().persistent_aof().start().await, Postgres::start().await);
    let servers = Servers {
        old: async || postgres(&from).await,
        new: async || redis(&to).await,
        old_url: from.url(),
        new_url: to.url(),
    };
    let faults = async |stage| match stage {
        0 => from.restart().await,
        2 => drop(tokio::join!(from.restart(), to.restart(Data::Keep))),
        _ => to.restart(Data::Keep).await,
    };
    let (ledger, store) = a_fleet_moves(servers, false, faults).await;
    from.kill();
    nothing_is_lost_and_nothing_happened_twice(&ledger, store).await;
}
