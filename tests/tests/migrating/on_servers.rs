//! A fleet that moves between real servers under load, while the mover is killed and both servers are killed and come back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use idempotent_core::backends::{Migrating, MigrationMode, Mover, PostgresStore, RedisStore};
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Store};
use idempotent_servers::{Data, Postgres, Redis, Server, require};
use idempotent_tests::{millis, secs};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use MigrationMode::{Both, New, Old};

/// What nobody knows is refused, so a second effect would be a fault; and outages are shorter than the lease.
const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(12)).ttl(secs(3600));

/// So many orders are charged for the first time in each stage.
const TOLD_IN_A_STAGE: usize = 20;

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
                let mut effects = self.effects.lock().unwrap();
                let effects = effects.entry(order).or_default();
                *effects += 1;
                *effects
            };
            sleep(millis(5)).await;
            Ok(format!("receipt {order}, run {nth}"))
        })
        .await
    }

    fn tell(&self, order: u64, receipt: &str) {
        let told = self.told.lock().unwrap().insert(order, receipt.to_owned());
        assert!(told.is_none_or(|told| told == receipt), "order {order}: two results");
    }
}

async fn redis(server: &Redis) -> RedisStore {
    RedisStore::connect(server.url()).await.unwrap()
}

async fn postgres(server: &Postgres) -> PostgresStore {
    let store = PostgresStore::builder(server.url()).max_connections(4).connect().await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// Two servers, by what they are for.
struct Servers<O, N> {
    old: O,
    new: N,
}

/// Orders from both of two processes until the time is up: new ones, and retries of earlier ones.
async fn load(ledger: &Arc<Ledger>, engines: [Idempotency; 2], until: Instant) {
    let mut workers = JoinSet::new();
    let enough = ledger.told.lock().unwrap().len() + TOLD_IN_A_STAGE;
    for worker in 0..8_u64 {
        let (ledger, engines) = (Arc::clone(ledger), engines.clone());
        workers.spawn(async move {
            // A machine that is busy otherwise may take longer until both servers are back.
            while Instant::now() < until
                || (ledger.told.lock().unwrap().len() < enough && Instant::now() < until + secs(60))
            {
                let nth = ledger.calls.fetch_add(1, Ordering::Relaxed);
                // Neighbouring workers have the same orders, so that both modes meet.
                let order = if nth % 5 == 4 { (nth * 7919) % (nth / 4 + 1) } else { nth / 4 };
                let engine = &engines[(worker % 2) as usize];
                match ledger.charge(engine, order).await {
                    Ok(receipt) => ledger.tell(order, &receipt),
                    // Down, or running: nobody was told anything.
                    Err(_) => sleep(millis(20)).await,
                }
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    for engine in engines {
        engine.drain().await;
    }
}

/// A mover that is killed several times a second, until it is told to stop.
async fn killed_movers<A, B>(from: Arc<A>, to: Arc<B>, stop: Arc<AtomicBool>)
where
    A: Store,
    B: Store,
{
    while !stop.load(Ordering::Relaxed) {
        let (from, to) = (Arc::clone(&from), Arc::clone(&to));
        let moving = tokio::spawn(async move {
            let mover = Mover::new(from, to).page(20);
            let mut pass = mover.pass();
            while let Ok(true) = pass.next().await {}
        });
        sleep(millis(250)).await;
        moving.abort();
    }
}

async fn a_fleet_moves<A, B, FA, FB>(
    servers: Servers<FA, FB>,
    has_circuit: bool,
    faults: impl AsyncFn(u32),
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
    let stop = Arc::new(AtomicBool::new(false));
    let (from, to) = ((servers.old)().await, (servers.new)().await);
    let mut movers = None;
    for (stage, modes) in
        [[Old, Both], [Both, Both], [Both, New], [New, New]].into_iter().enumerate()
    {
        let engines = [process(modes[0]).await, process(modes[1]).await];
        if stage == 1 {
            let (from, to) = (Arc::new(from.clone()), Arc::new(to.clone()));
            movers = Some(tokio::spawn(killed_movers(from, to, Arc::clone(&stop))));
        }
        let until = Instant::now() + secs(3);
        let faults = async {
            sleep(secs(1)).await;
            faults(stage as u32).await;
        };
        tokio::join!(load(&ledger, engines, until), faults);
    }
    stop.store(true, Ordering::Relaxed);
    movers.unwrap().await.unwrap();
    let mover = Mover::new(from, to.clone());
    let begin = Instant::now();
    loop {
        let mut pass = mover.pass();
        let failure = loop {
            match pass.next().await {
                Ok(true) => {}
                Ok(false) => break None,
                // A server that has come back may still have no time for everybody.
                Err(error) => break Some(error),
            }
        };
        // Calls that were reserved while a server died, and never ran, stay in doubt: nobody was told anything of them.
        let report = *pass.report();
        if failure.is_none() && report.left() == report.indeterminate {
            return (ledger, to);
        }
        assert!(begin.elapsed() < secs(90), "{report:?}, {failure:?}");
        sleep(millis(500)).await;
    }
}

/// The old server is gone for good.
async fn nothing_is_lost_and_nothing_happened_twice<B: Store>(ledger: &Ledger, to: B) {
    let told = ledger.told.lock().unwrap().clone();
    let effects = ledger.effects.lock().unwrap().clone();
    assert!(told.len() >= 4 * TOLD_IN_A_STAGE, "there was no load: {}", told.len());
    for (order, times) in &effects {
        assert_eq!(*times, 1, "effects of order {order}");
    }
    let engine = Idempotency::new(to);
    for (order, receipt) in told {
        assert_eq!(ledger.charge(&engine, order).await.unwrap(), receipt, "order {order}");
    }
    assert_eq!(*ledger.effects.lock().unwrap(), effects, "a result was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_moves_from_redis_to_postgres_under_load_and_kills() {
    require!(Server::Redis);
    require!(Server::Postgres);
    let (from, to) = (Redis::builder().persistent_aof().start().await, Postgres::start().await);
    let servers = Servers { old: async || redis(&from).await, new: async || postgres(&to).await };
    let faults = async |stage| match stage {
        0 | 2 => from.restart(Data::Keep).await,
        _ => to.restart().await,
    };
    let (ledger, store) = a_fleet_moves(servers, true, faults).await;
    from.kill();
    nothing_is_lost_and_nothing_happened_twice(&ledger, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_moves_from_postgres_to_redis_under_load_and_kills() {
    require!(Server::Redis);
    require!(Server::Postgres);
    let (to, from) = (Redis::builder().persistent_aof().start().await, Postgres::start().await);
    let servers = Servers { old: async || postgres(&from).await, new: async || redis(&to).await };
    let faults = async |stage| match stage {
        0 | 2 => from.restart().await,
        _ => to.restart(Data::Keep).await,
    };
    let (ledger, store) = a_fleet_moves(servers, false, faults).await;
    from.kill();
    nothing_is_lost_and_nothing_happened_twice(&ledger, store).await;
}
