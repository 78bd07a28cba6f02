//! Who waits on another machine is woken, and nothing is said while nobody waits. Each store stands for
//! a process: it has connections of its own.

use std::time::Duration;

use idempotent_core::store::{ReserveOutcome, Store, Wait};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, HOUR, SOON, until, waiter, wakes};
use sqlx::postgres::PgListener;
use tokio::time::timeout;

use crate::setup::{
    awaited, known_waiter, listeners, migrated, never_looking, two_stores, waited_for,
};

const CHANNEL: &str = "idempotent.records";

/// Everything that is said, as a process that listens hears it.
async fn overhear(server: &Postgres) -> PgListener {
    let mut listener = PgListener::connect(&server.url()).await.unwrap();
    listener.listen(CHANNEL).await.unwrap();
    listener
}

async fn said(listener: &mut PgListener) -> String {
    let heard = timeout(SOON, listener.recv()).await.expect("something is said").unwrap();
    heard.payload()[..1].to_owned()
}

#[tokio::test]
async fn a_waiter_is_woken_when_the_call_completes_elsewhere() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, reservation, waiter) = waited_for(&server, &owner, &other).await;
    attempt.record(&owner, &reservation, b"result").await;
    wakes(waiter).await;
    assert_eq!(listeners(&server).await, 1, "the owner has nobody to hear for");
}

#[tokio::test]
async fn a_waiter_is_woken_when_the_call_is_released_elsewhere() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, reservation, waiter) = waited_for(&server, &owner, &other).await;
    attempt.release(&owner, &reservation).await.unwrap();
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_is_woken_when_its_id_is_purged_elsewhere() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, _, waiter) = waited_for(&server, &owner, &other).await;
    assert!(owner.purge(&attempt.id).await.unwrap());
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_of_the_owners_process_needs_no_server_to_be_woken() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(never_looking(&server).notify(false)).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    let waiter = waiter(&store, &attempt.id, &reservation);
    attempt.record(&store, &reservation, b"result").await;
    wakes(waiter).await;
}

#[tokio::test]
async fn nothing_is_said_while_nobody_waits() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(never_looking(&server)).await;
    let mut listener = overhear(&server).await;
    for _ in 0..20 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        attempt.record(&store, &reservation, b"result").await;
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        attempt.release(&store, &reservation).await.unwrap();
    }
    store.purge(&Attempt::new().id).await.unwrap();
    assert_eq!(said(&mut listener).await, "p", "the purge is the first thing that is said");
    assert_eq!(listeners(&server).await, 1, "only the test listens");
}

#[tokio::test]
async fn a_hundred_waiters_of_one_process_are_one_mark_and_one_notification() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let mut listener = overhear(&server).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&owner).await;
    let mut waiters = vec![known_waiter(&server, &other, &attempt, &reservation).await];
    waiters.extend((1..100).map(|_| waiter(&other, &attempt.id, &reservation)));
    until(|| async { listeners(&server).await == 2 }).await;
    attempt.record(&owner, &reservation, b"result").await;
    for waiter in waiters {
        wakes(waiter).await;
    }
    owner.purge(&attempt.id).await.unwrap();
    assert_eq!(said(&mut listener).await, "d");
    assert_eq!(said(&mut listener).await, "p");
}

#[tokio::test]
async fn waiters_for_many_calls_all_wake() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let mut calls = Vec::new();
    for _ in 0..100 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&owner).await;
        let waiter = waiter(&other, &attempt.id, &reservation);
        calls.push((attempt, reservation, waiter));
    }
    until(|| async { awaited(&server).await == 100 && listeners(&server).await == 1 }).await;
    for (attempt, reservation, _) in &calls {
        attempt.record(&owner, reservation, b"result").await;
    }
    for (.., waiter) in calls {
        wakes(waiter).await;
    }
}

/// Nobody waits for the successor, whoever waited for the one before.
#[tokio::test]
async fn a_mark_does_not_outlive_its_reservation() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, _, waiter) = waited_for(&server, &owner, &other).await;
    server.sql("UPDATE idempotent.records SET lapses_at = now()").await;
    attempt.win(&owner).await;
    assert_eq!(awaited(&server).await, 0);
    waiter.abort();
}

/// What is said while nobody hears is made up for by a look.
#[tokio::test]
async fn a_waiter_whose_listening_connection_was_lost_still_wakes() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, reservation, waiter) = waited_for(&server, &owner, &other).await;
    server
        .sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE query LIKE 'LISTEN %' OR query = 'SHOW transaction_read_only'",
        )
        .await;
    attempt.record(&owner, &reservation, b"result").await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_outlives_a_restart_of_the_server() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (attempt, reservation, waiter) = waited_for(&server, &owner, &other).await;
    server.restart().await;
    attempt.record(&owner, &reservation, b"result").await;
    wakes(waiter).await;
}

#[tokio::test]
async fn without_notifications_a_waiter_looks() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pause = Duration::from_millis(20);
    let builder = never_looking(&server).notify(false);
    let owner = migrated(builder.clone()).await;
    let other = builder.wait_pauses(pause, pause).connect().await.unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&owner).await;
    let waiter = waiter(&other, &attempt.id, &reservation);
    let short = Wait::new(&attempt.id, reservation.token(), pause * 5);
    other.wait(&short).await.unwrap();
    assert!(!waiter.is_finished(), "the call still runs");
    assert_eq!((awaited(&server).await, listeners(&server).await), (0, 0));
    attempt.record(&owner, &reservation, b"result").await;
    wakes(waiter).await;
}

#[tokio::test]
async fn listening_ends_with_the_store() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let [owner, other] = two_stores(&server).await;
    let (_, _, waiter) = waited_for(&server, &owner, &other).await;
    waiter.abort();
    drop(other);
    until(|| async { listeners(&server).await == 0 }).await;
}

/// As a test's runtime, or a thread's, does.
#[test]
fn a_store_outlives_the_runtime_that_listened() {
    require!(Server::Postgres);
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    let (server, store) = first.block_on(async {
        let server = Postgres::start().await;
        let store = migrated(never_looking(&server)).await;
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        known_waiter(&server, &store, &attempt, &reservation).await.abort();
        (server, store)
    });
    drop(first);
    runtime().block_on(async {
        until(|| async { listeners(&server).await == 0 }).await;
        let owner = never_looking(&server).connect().await.unwrap();
        let attempt = Attempt::new();
        let reservation = attempt.win(&owner).await;
        let waiter = known_waiter(&server, &store, &attempt, &reservation).await;
        attempt.record(&owner, &reservation, b"result").await;
        wakes(waiter).await;
        let outcome = attempt.reserve(&store).await.unwrap();
        assert!(matches!(outcome, ReserveOutcome::Taken(_)), "{outcome:?}");
    });
}

#[tokio::test]
async fn a_wait_ends_with_its_timeout_also_while_the_server_is_gone() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(never_looking(&server)).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    server.kill();
    let request = Wait::new(&attempt.id, reservation.token(), Duration::from_millis(100));
    let begin = std::time::Instant::now();
    store.wait(&request).await.unwrap();
    assert!(begin.elapsed() < SOON.min(HOUR), "{:?}", begin.elapsed());
}
