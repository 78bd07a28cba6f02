//! The same on the stores that other processes share, with processes that die.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use idempotent_core::backends::{NearCache, RedisSource, RedisStore};
use idempotent_core::engine::Recovery;
use idempotent_core::store::{Scan, State, Store};
use idempotent_core::{Error, Idempotency, Operation, engine::with_engine, step, testing};
use idempotent_servers::{Cluster, Flavor, Postgres, Redis, Sentinel, Server, require};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::{ORDER, Order, POLL, stop};
use crate::patient;
use crate::shop::Ledger;

/// Longer than any machine takes.
const PATIENCE: Duration = Duration::from_secs(120);

const SECRET: [u8; 32] = [7; 32];

fn checkout(order: &Order) -> idempotent_core::call::Call<u32, Error> {
    let call = Operation::new("checkout").lease(Duration::from_secs(5)).key(&order.id);
    call.resume(order).returning::<Result<u32, Error>>()
}

async fn note(ledger: &Ledger, name: &'static str) -> Result<u32, Error> {
    step(name, || async {
        ledger.note(name);
        Ok(1)
    })
    .await
}

fn engine_on(store: impl Store) -> Idempotency {
    let pause = Duration::from_millis(20);
    Idempotency::builder(store).secret(SECRET).resume_backoff(pause, pause).build()
}

/// One dies after its reservation, one after a step, one is only dropped; all are finished, parked or not.
async fn what_died_is_finished<S: Store>(connect: impl Fn() -> BoxFuture<'static, S>) {
    let engine = engine_on(connect().await);
    let ledger = Ledger::default();
    for (id, after) in [(7, None), (8, Some("hold")), (9, Some("hold"))] {
        let (died, ledger) = (Arc::new(Notify::new()), ledger.clone());
        let reached = Arc::clone(&died);
        let order = Order { id, ..ORDER };
        let process = async move {
            let call = checkout(&order).run(|| async move {
                if let Some(name) = after {
                    note(&ledger, name).await?;
                }
                reached.notify_one();
                std::future::pending().await
            });
            call.await
        };
        if id == 9 {
            tokio::select! {
                _ = with_engine(engine.clone(), process) => unreachable!(),
                () = died.notified() => {}
            }
            continue;
        }
        // What dies takes its connections with it.
        let own = connect();
        let process = async move { with_engine(engine_on(own.await), process).await };
        let crash = testing::crash(process).when(async move { died.notified().await });
        assert!(crash.await.is_none());
    }
    let body = {
        let ledger = ledger.clone();
        move |order: Order| {
            let ledger = ledger.clone();
            async move {
                let call = checkout(&order).run(|| async move {
                    let held = note(&ledger, "hold").await?;
                    Ok(held + note(&ledger, "charge").await?)
                });
                call.await
            }
        }
    };
    let recovery = Recovery::new(&engine).poll_every(POLL).operation("checkout", body);
    let recovery = recovery.start().unwrap();
    let mut completed = Scan::all();
    completed.states = vec![State::Completed];
    let begin = Instant::now();
    while engine.scan(&completed).await.unwrap().entries.len() < 3 {
        assert!(begin.elapsed() < PATIENCE, "every call is finished");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop(recovery).await;
    // On a loaded machine a lease may lapse while its call runs: then a step may run twice, by the same key.
    assert_eq!((ledger.distinct("hold"), ledger.distinct("charge")), (3, 3));

    // One that kills every run is parked.
    let order = Order { id: 10, ..ORDER };
    let call = checkout(&order).run(|| async { panic!("the first run") });
    let call = std::panic::AssertUnwindSafe(with_engine(engine.clone(), call));
    assert!(call.catch_unwind().await.is_err());
    let body = |order: Order| async move {
        checkout(&order).run(|| async { panic!("every other run") }).await
    };
    let recovery = Recovery::new(&engine).poll_every(POLL).max_attempts(2);
    let recovery = recovery.operation("checkout", body).start().unwrap();
    let begin = Instant::now();
    let parked = loop {
        assert!(begin.elapsed() < PATIENCE, "it is parked");
        let page = engine.scan(&Scan::indeterminate()).await.unwrap();
        if let Some(parked) = page.entries.into_iter().next() {
            break parked;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    stop(recovery).await;
    assert_eq!(parked.attempts(), 3);
    engine.resume(&parked).await.unwrap();
    let now = engine.inspect(parked.id()).await.unwrap().unwrap();
    assert_eq!((now.state(), now.attempts()), (State::Suspended, 0));
    let finished = with_engine(engine.clone(), checkout(&order).run(|| async { Ok(5) })).await;
    assert_eq!(finished.unwrap(), 5);
}

#[tokio::test]
async fn what_died_is_finished_in_memory() {
    let store = idempotent_core::backends::MemoryStore::new();
    what_died_is_finished(|| std::future::ready(store.clone()).boxed()).await;
}

#[tokio::test]
async fn what_died_is_finished_on_sqlite() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    let connect = || {
        let file = file.clone();
        async move { patient::sqlite(file).await }.boxed()
    };
    what_died_is_finished(connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_finished_on_postgres() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let url = server.url();
    let connect = || {
        let url = url.clone();
        async move { patient::postgres(url).await }.boxed()
    };
    what_died_is_finished(connect).await;
}

fn redis(source: impl Into<RedisSource>) -> BoxFuture<'static, RedisStore> {
    let builder = RedisStore::builder(source).response_timeout(Duration::from_secs(5));
    async move { builder.connect().await.unwrap() }.boxed()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_finished_on_redis_and_on_valkey() {
    require!(Server::Redis, Server::Valkey81, Server::Valkey91);
    let on = async |flavor| {
        let server = Redis::builder().flavor(flavor).start().await;
        what_died_is_finished(|| redis(server.url())).await;
    };
    tokio::join!(on(Flavor::Redis), on(Flavor::Valkey81), on(Flavor::Valkey91));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_finished_behind_a_near_cache_over_redis() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let connect = || {
        let store = redis(server.url());
        async move { NearCache::new(store.await) }.boxed()
    };
    what_died_is_finished(connect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_died_is_finished_on_a_cluster_and_in_a_sentinel_group() {
    require!(Server::Redis);
    let cluster = async {
        let cluster = Cluster::start(3, 0).await;
        what_died_is_finished(|| redis(RedisSource::cluster(cluster.urls()))).await;
        // On a connection of the application, and beside the records of before.
        let connect = || {
            let client = ::redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
            async move {
                let connection = client.get_async_connection().await.unwrap();
                RedisStore::builder(connection).prefix("own:").connect().await.unwrap()
            }
            .boxed()
        };
        what_died_is_finished(connect).await;
    };
    let sentinel = async {
        let group = Sentinel::start(2, 3).await;
        let source = || RedisSource::sentinel(group.sentinel_urls(), group.master_name());
        what_died_is_finished(|| redis(source())).await;
    };
    tokio::join!(cluster, sentinel);
}
