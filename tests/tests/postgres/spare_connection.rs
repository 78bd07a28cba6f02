//! What keeps a call alive does not wait for connections that others hold.

use std::time::Duration;

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{RenewOutcome, Store};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Answer, Attempt, Runs, call, millis, secs, until};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::setup::{migrated, number, patient};

/// A machine that stands still for seconds does not end it: it is renewed after a third.
const LEASE: Duration = Duration::from_secs(8);
const CHARGE: Operation = Operation::new("shop::charge").lease(LEASE);

/// A store whose pool has two connections.
async fn small(server: &Postgres) -> (PgPool, PostgresStore) {
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(secs(20));
    let pool = pool.connect(&server.url()).await.unwrap();
    let store = PostgresStore::builder(pool.clone()).response_timeout(secs(4));
    (pool, store.connect().await.unwrap())
}

/// A call whose body holds a connection of the pool for that long, and then works on without it.
fn holding(
    engine: &Idempotency,
    pool: &PgPool,
    key: &'static str,
    runs: &Runs,
    held: Duration,
) -> tokio::task::JoinHandle<Answer> {
    let (engine, pool, runs) = (engine.clone(), pool.clone(), runs.clone());
    tokio::spawn(async move {
        let call = CHARGE.key(key).engine(&engine).returning::<Answer>();
        call.run(|| async move {
            let run = runs.note();
            let connection = pool.acquire().await.unwrap();
            tokio::time::sleep(held).await;
            drop(connection);
            Ok(run)
        })
        .await
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_renewed_while_bodies_hold_every_connection() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await.close().await;
    let (pool, store) = small(&server).await;
    let engine = Idempotency::new(store);
    let elsewhere = Idempotency::new(patient(&server).connect().await.unwrap());
    let runs = Runs::new();
    let first = holding(&engine, &pool, "1", &runs, LEASE * 3 / 2);
    until(|| async { runs.count() == 1 }).await;
    let second = holding(&engine, &pool, "2", &runs, LEASE * 3 / 2);
    until(|| async { runs.count() == 2 }).await;
    while !first.is_finished() || !second.is_finished() {
        for key in ["1", "2"] {
            match call(&elsewhere, CHARGE, key, &runs).await {
                Err(refused) => assert_eq!(refused.kind(), ErrorKind::InProgress),
                Ok(run) => assert!(run <= 2, "a duplicate ran the body"),
            }
        }
        tokio::time::sleep(millis(50)).await;
    }
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(runs.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_is_kept_while_others_hold_every_connection() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await.close().await;
    let (pool, store) = small(&server).await;
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    let (kept, released) = (Attempt::new(), Attempt::new());
    let reservations = (kept.win(&store).await, released.win(&store).await);
    let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    kept.record(&store, &reservations.0, b"result").await;
    released.release(&store, &reservations.1).await.unwrap();
    let refused = call(&engine, CHARGE, "3", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Store, 0), "no new work begins");
    drop(held);
    assert_eq!(call(&engine, CHARGE, "3", &runs).await.unwrap(), 1);
}

/// An application that shuts down closes its pool, which waits for the connections that bodies hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_renewed_and_kept_after_its_applications_pool_was_closed() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await.close().await;
    let (pool, store) = small(&server).await;
    let engine = Idempotency::new(store);
    let elsewhere = Idempotency::new(patient(&server).connect().await.unwrap());
    let runs = Runs::new();
    let running = holding(&engine, &pool, "1", &runs, LEASE * 3 / 2);
    until(|| async { runs.count() == 1 && pool.num_idle() < 2 }).await;
    tokio::time::sleep(millis(50)).await;
    let closing = tokio::spawn(async move { pool.close().await });
    while !running.is_finished() {
        if let Err(refused) = call(&elsewhere, CHARGE, "1", &runs).await {
            assert_eq!(refused.kind(), ErrorKind::InProgress);
        }
        tokio::time::sleep(millis(50)).await;
    }
    assert_eq!(running.await.unwrap().unwrap(), 1);
    closing.await.unwrap();
    assert_eq!(call(&elsewhere, CHARGE, "1", &runs).await.unwrap(), 1, "a replay");
}

#[tokio::test]
async fn a_lease_is_renewed_while_every_connection_of_the_stores_own_is_busy() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).max_connections(1).sweep_every(None)).await;
    let (busy, renewed) = (Attempt::new(), Attempt::new());
    busy.win(&store).await;
    let reservation = renewed.win(&store).await;
    let pool = PgPoolOptions::new().connect(&server.url()).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    let row = sqlx::query("SELECT FROM idempotent.records WHERE id = $1 FOR UPDATE");
    row.bind(&busy.id.hash()[..]).execute(&mut *lock).await.unwrap();
    let purging = tokio::spawn({
        let store = store.clone();
        async move { store.purge(&busy.id).await }
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until(|| async { number(&server, waiting).await == 1 }).await;
    let renewal = renewed.renew(&store, &reservation).await.unwrap();
    assert_eq!(renewal, RenewOutcome::Renewed);
    drop(lock);
    purging.await.unwrap().unwrap();
}

/// It is opened when a lease is first renewed, and closed with the store.
#[tokio::test]
async fn the_spare_connection_is_opened_when_it_is_needed_and_closed_with_the_store() {
    require!(Server::Postgres);
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let server = Postgres::start().await;
    // Those of the test's own questions take a moment to end.
    let has = async |count: usize| until(|| async { number(&server, OTHERS).await == count }).await;
    let store = migrated(patient(&server).sweep_every(None)).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    has(1).await;
    for _ in 0..3 {
        attempt.renew(&store, &reservation).await.unwrap();
    }
    has(2).await;
    attempt.record(&store, &reservation, b"result").await;
    has(2).await;
    store.close().await;
    has(0).await;
}
