//! The connections of a store's own: kept from one question to the next, shared by all who ask, and
//! ended in time.

use std::time::{Duration, Instant};

use futures::future::join_all;
use idempotent_core::outbox::Outbox;
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, SOON, until};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::setup::{migrated, number, patient};

const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The only connection, once those of the test's own questions have ended, which takes them a moment.
async fn backend(server: &Postgres) -> usize {
    let only = "SELECT CASE WHEN count(*) = 1 THEN min(pid) ELSE 0 END FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let begin = Instant::now();
    loop {
        match number(server, only).await {
            0 => assert!(begin.elapsed() < SOON, "there is not one connection"),
            pid => return pid,
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A pool of sqlx would have a task ask the server whether the connection still lives.
#[tokio::test]
async fn a_call_leaves_nothing_to_do_behind() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).sweep_every(None)).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    let tasks = Handle::current().metrics().num_alive_tasks();
    attempt.record(&store, &reservation, b"result").await;
    attempt.reserve(&store).await.unwrap();
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_of_one_connection_all_have_their_turn() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).max_connections(1)).await;
    let callers = join_all((0..64).map(|_| async {
        for _ in 0..5 {
            Attempt::new().win(&store).await;
        }
    }));
    callers.await;
    backend(&server).await;
}

#[tokio::test]
async fn an_outbox_does_not_wait_for_a_connection_that_the_store_keeps() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).max_connections(1)).await;
    assert!(Outbox::of(&store).parked(None, 1).await.unwrap().is_empty());
    Attempt::new().win(&store).await;
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_not_used_again() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).sweep_every(None)).await;
    let first = backend(&server).await;
    Attempt::new().win(&store).await;
    assert_eq!(backend(&server).await, first);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11 * 60)).await;
    tokio::time::resume();
    Attempt::new().win(&store).await;
    assert_ne!(backend(&server).await, first);
}

/// As a test of an application's may do, or an application that shuts down.
#[test]
fn a_store_may_outlive_its_runtime_and_end_without_one() {
    require!(Server::Postgres);
    let watching = runtime();
    let server = watching.block_on(Postgres::start());
    let first = runtime();
    let store = first.block_on(async { migrated(patient(&server)).await });
    drop(first);
    let second = runtime();
    second.block_on(async { Attempt::new().win(&store).await });
    drop(second);
    drop(store);
    watching.block_on(until(|| async { number(&server, OTHERS).await == 0 }));
}
