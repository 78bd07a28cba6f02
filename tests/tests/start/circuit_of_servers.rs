//! The circuit on real servers that are killed, frozen, and back.

use std::error::Error as _;
use std::time::Duration;

use idempotent_core::backends::{PostgresStore, RedisStore};
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_core::testing::{FaultyStore, StoreMethod};
use idempotent_core::{Idempotency, Operation, Store};
use idempotent_servers::{Data, Postgres, Redis, Server, require};
use idempotent_tests::{HOUR, Runs, call, call_for, millis, secs, until};

const CHARGE: Operation = Operation::new("charge").lease(secs(30));
const TIMEOUT: Duration = Duration::from_secs(2);

fn kind(answer: Result<usize, idempotent_core::Error>) -> StoreErrorKind {
    let refused = answer.unwrap_err();
    refused.source().unwrap().downcast_ref::<StoreError>().unwrap().kind()
}

/// Counts what reaches the store, and injects nothing.
fn counted<S: Store + Clone>(store: &S, pause: Duration) -> (FaultyStore<S>, Idempotency) {
    let store = FaultyStore::new(store.clone());
    let engine = Idempotency::builder(store.clone()).circuit_threshold(3);
    (store, engine.circuit_pauses(pause, pause).build())
}

/// Three calls have no answer, and all others are refused without asking.
async fn opens<S: Store>(store: &FaultyStore<S>, engine: &Idempotency) {
    let (runs, before) = (Runs::new(), store.calls(StoreMethod::Reserve));
    for _ in 0..3 {
        assert_ne!(kind(call(engine, CHARGE, "k", &runs).await), StoreErrorKind::CircuitOpen);
    }
    for _ in 0..20 {
        assert_eq!(kind(call(engine, CHARGE, "k", &runs).await), StoreErrorKind::CircuitOpen);
    }
    assert_eq!(store.calls(StoreMethod::Reserve) - before, 3);
}

async fn works_again(engine: &Idempotency) {
    let runs = Runs::new();
    until(async || call(engine, CHARGE, "k", &runs).await.is_ok()).await;
    for key in 0..20 {
        call(engine, CHARGE, &format!("again {key}"), &runs).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_redis_opens_it_and_a_restarted_one_closes_it() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = store.connect().await.unwrap();
    let (asked, engine) = counted(&store, HOUR);
    call(&engine, CHARGE, "before", &Runs::new()).await.unwrap();
    server.kill();
    opens(&asked, &engine).await;
    let (_, engine) = counted(&store, millis(20));
    for _ in 0..3 {
        call(&engine, CHARGE, "k", &Runs::new()).await.unwrap_err();
    }
    server.restart(Data::Keep).await;
    works_again(&engine).await;
}

#[tokio::test]
async fn a_frozen_redis_opens_it_and_one_that_goes_on_closes_it() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = store.connect().await.unwrap();
    let (asked, engine) = counted(&store, HOUR);
    server.stop_process();
    opens(&asked, &engine).await;
    server.resume();
    let (_, engine) = counted(&store, millis(20));
    works_again(&engine).await;
}

#[tokio::test]
async fn a_killed_postgres_opens_it_and_a_restarted_one_closes_it() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = PostgresStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = store.connect().await.unwrap();
    let (asked, engine) = counted(&store, HOUR);
    call(&engine, CHARGE, "before", &Runs::new()).await.unwrap();
    server.kill();
    opens(&asked, &engine).await;
    let (_, engine) = counted(&store, millis(20));
    for _ in 0..3 {
        call(&engine, CHARGE, "k", &Runs::new()).await.unwrap_err();
    }
    server.restart().await;
    works_again(&engine).await;
}

#[tokio::test]
async fn a_redis_that_refuses_writes_keeps_it_closed_and_replays() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let (asked, engine) = counted(&store, HOUR);
    let runs = Runs::new();
    call(&engine, CHARGE, "done", &runs).await.unwrap();
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    for _ in 0..10 {
        let refused = kind(call(&engine, CHARGE, "new", &runs).await);
        assert_eq!(refused, StoreErrorKind::Unavailable);
    }
    assert_eq!(asked.calls(StoreMethod::Reserve), 11);
    assert_eq!(call(&engine, CHARGE, "done", &runs).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_of_a_killed_redis_all_get_in_once_it_is_back() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url()).response_timeout(TIMEOUT);
    let (_, engine) = counted(&store.connect().await.unwrap(), millis(20));
    server.kill();
    let runs = Runs::new();
    let callers: Vec<_> = (0..64)
        .map(|key| call_for(&engine, CHARGE, &format!("{key}"), &runs, Duration::ZERO))
        .collect();
    for caller in callers {
        caller.await.unwrap().unwrap_err();
    }
    server.restart(Data::Keep).await;
    works_again(&engine).await;
    for key in 0..64 {
        call(&engine, CHARGE, &format!("{key}"), &runs).await.unwrap();
    }
    assert_eq!(runs.count(), 64);
}
