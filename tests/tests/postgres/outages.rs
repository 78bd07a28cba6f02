//! Servers that are gone, silent or in the way, and come back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{ReserveOutcome, State, Store, StoreErrorKind};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, SOON, until, until_within};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;

use crate::setup::{migrated, number, patient};

const TIMEOUT: Duration = Duration::from_millis(300);

/// On a loaded machine. Without a limit of the store's, a call would wait for a quarter of an hour.
const SLACK: Duration = Duration::from_secs(10);

async fn impatient(url: String) -> PostgresStore {
    // To connect for the first time may take a loaded machine longer than a call may.
    PostgresStore::builder(url).response_timeout(TIMEOUT).connect_with_retry(SOON).await.unwrap()
}

/// Fails, and in time.
async fn fails(store: &PostgresStore) -> StoreErrorKind {
    let begin = Instant::now();
    let error = Attempt::new().reserve(store).await.unwrap_err();
    assert!(begin.elapsed() < TIMEOUT + SLACK, "{:?}", begin.elapsed());
    error.kind()
}

/// Tries until it works, as callers do.
async fn comes_back(store: &PostgresStore) {
    until_within(SOON * 3, || async { Attempt::new().reserve(store).await.is_ok() }).await;
}

#[tokio::test]
async fn a_server_that_was_killed_and_restarted_is_found_again_with_its_records() {
    require!(Server::Postgres);
    let server = Postgres::builder().fsync(true).start().await;
    let store = migrated(patient(&server)).await;
    let (running, done) = (Attempt::at_most_once(), Attempt::new());
    let reservation = running.win(&store).await;
    let owner = done.win(&store).await;
    done.record(&store, &owner, b"done").await;
    // Every connection of the pool is a dead one afterwards.
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let store = store.clone();
        calls.spawn(async move { Attempt::new().win(&store).await });
    }
    calls.join_all().await;
    server.restart().await;
    running.record(&store, &reservation, b"result").await;
    for attempt in [&running, &done] {
        let ReserveOutcome::Taken(entry) = attempt.reserve(&store).await.unwrap() else {
            panic!("the record is gone");
        };
        assert_eq!(entry.state, State::Completed);
    }
}

#[tokio::test]
async fn a_call_to_a_server_that_is_gone_fails_in_time_and_works_when_it_is_back() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    let store = impatient(server.url()).await;
    server.kill();
    for _ in 0..3 {
        let kind = fails(&store).await;
        assert!(matches!(kind, StoreErrorKind::Timeout | StoreErrorKind::Unavailable), "{kind:?}");
    }
    server.restart().await;
    comes_back(&store).await;
}

/// A connection over which nothing comes any more stays open for a quarter of an hour.
#[tokio::test]
async fn a_silent_connection_is_replaced() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    let black_hole = TcpProxy::start(server.address()).await;
    let store = impatient(server.url_at(black_hole.address())).await;
    comes_back(&store).await;
    let old = black_hole.counts().connections();
    black_hole.stall();
    for _ in 0..4 {
        assert_eq!(fails(&store).await, StoreErrorKind::Timeout);
    }
    // It connects anew.
    black_hole.wait_for(|counts| counts.connections() > old).await;
    black_hole.resume();
    comes_back(&store).await;
}

/// To open a connection takes longer than a call may: no caller sees the one that it began to open.
async fn a_slow_server_is_used_all_the_same(
    server: &Postgres,
    store: &PostgresStore,
    proxy: &TcpProxy,
) {
    comes_back(store).await;
    // A new connection waits for several answers before its first query, and that for more than one.
    proxy.delay_replies(Duration::from_millis(300));
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
        WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
    number(server, kill).await;
    join_all((0..8).map(|_| comes_back(store))).await;
}

#[tokio::test]
async fn a_server_to_which_connecting_is_slow_is_used_on_connections_of_the_store() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    let proxy = TcpProxy::start(server.address()).await;
    let store = PostgresStore::builder(server.url_at(proxy.address()))
        .response_timeout(Duration::from_secs(1))
        .max_connections(4)
        .connect_with_retry(SOON)
        .await
        .unwrap();
    a_slow_server_is_used_all_the_same(&server, &store, &proxy).await;
}

/// The pool asks the server whether a connection still lives, and would close it if its taker gave up then.
#[tokio::test]
async fn more_callers_than_a_slow_server_can_answer_in_time_are_answered_one_after_the_other() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    let proxy = TcpProxy::start(server.address()).await;
    let url = server.url_at(proxy.address());
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let timeout = Duration::from_millis(500);
    let store = PostgresStore::builder(pool).response_timeout(timeout);
    let store = store.connect_with_retry(SOON).await.unwrap();
    comes_back(&store).await;
    proxy.delay_replies(Duration::from_millis(150));
    let begin = Instant::now();
    join_all((0..8).map(|_| async {
        while Attempt::new().reserve(&store).await.is_err() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it starves");
        }
    }))
    .await;
}

/// What a caller gave up must not go on waiting on the server, one connection each.
#[tokio::test]
async fn a_locked_table_fails_calls_in_time_and_nothing_piles_up_behind_it() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    let store = impatient(server.url()).await;
    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    let mut locked = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE idempotent.records").execute(&mut *locked).await.unwrap();
    for _ in 0..4 {
        assert_eq!(fails(&store).await, StoreErrorKind::Timeout);
    }
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    until(|| async { number(&server, waiting).await == 0 }).await;
    locked.rollback().await.unwrap();
    comes_back(&store).await;
}

/// Its connection is in the middle of an answer that may never come.
#[tokio::test]
async fn a_call_that_was_dropped_midway_leaves_its_place_in_the_pool_to_the_next() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).max_connections(1)).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    let mut held = other.begin().await.unwrap();
    let hold = "SELECT FROM idempotent.records FOR UPDATE";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    let dropped = attempt.renew(&store, &reservation);
    tokio::time::timeout(Duration::from_millis(100), dropped).await.unwrap_err();
    let next = Attempt::new();
    tokio::time::timeout(SOON / 2, next.win(&store)).await.expect("it need not wait");
    held.rollback().await.unwrap();
    let entry = store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation);
}
