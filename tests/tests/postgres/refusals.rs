//! Servers and pools that answer, and refuse.

use std::error::Error as _;

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{ReserveOutcome, Scan, State, Store, StoreError, StoreErrorKind};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, SOON, secs, until, waiter, wakes};
use sqlx::postgres::PgPoolOptions;

use crate::setup::{connect, migrated, patient, records};

fn is(error: &StoreError, kind: StoreErrorKind, says: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_an_error_that_says_what_to_do() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = patient(&server).connect().await.unwrap();
    server.sql("DROP SCHEMA idempotent CASCADE").await;
    let attempt = Attempt::new();
    let says = "call `migrate()`";
    let builder = patient(&server).migrate(false);
    is(&builder.connect().await.unwrap_err(), StoreErrorKind::Unavailable, says);
    is(&attempt.reserve(&store).await.unwrap_err(), StoreErrorKind::Unavailable, says);
    is(&store.load(&attempt.id).await.unwrap_err(), StoreErrorKind::Unavailable, says);
    is(&store.scan(&Scan::all()).await.unwrap_err(), StoreErrorKind::Unavailable, says);
    is(&store.sweep().await.unwrap_err(), StoreErrorKind::Unavailable, says);
    store.migrate().await.unwrap();
    attempt.win(&store).await;
}

#[tokio::test]
async fn a_table_that_is_not_as_this_version_knows_it_is_an_error() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    server.sql("ALTER TABLE idempotent.records RENAME COLUMN awaited TO watched").await;
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    is(&error, StoreErrorKind::Unavailable, "missing or too old");
}

#[tokio::test]
async fn a_user_without_rights_is_told_so() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await;
    server.sql("CREATE ROLE guest LOGIN; GRANT USAGE ON SCHEMA idempotent TO guest").await;
    let url = server.url().replace("postgres@", "guest@");
    let error = connect(url.as_str()).await.unwrap_err();
    is(&error, StoreErrorKind::Unavailable, "lacks a right");
    server.sql("GRANT SELECT ON idempotent.records_migrations TO guest").await;
    let store = connect(url.as_str()).await.unwrap();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    is(&error, StoreErrorKind::Unavailable, "lacks a right");
}

#[tokio::test]
async fn a_login_that_is_refused_and_a_url_that_is_none_show_no_password() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let nobody = server.url().replace("postgres@", "nobody:hunter2@");
    for (url, says) in [
        (nobody.as_str(), "the user name or the password"),
        ("redis://shop:hunter2@nowhere", "which is not postgres: write postgres://"),
        ("postgres://shop:hunter2@nowhere:port", "as configured"),
    ] {
        let builder = PostgresStore::builder(url).response_timeout(SOON);
        let error = builder.clone().connect().await.unwrap_err();
        is(&error, StoreErrorKind::Unavailable, says);
        let source = error.source().map(ToString::to_string);
        for shown in [format!("{builder:?}"), format!("{error:?}"), format!("{source:?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
    let builder = PostgresStore::builder(server.url().replace('@', ":hunter2@"));
    let store = migrated(builder.response_timeout(SOON)).await;
    assert!(!format!("{store:?}").contains("hunter2"), "{store:?}");
}

/// What a standby shows of a running call may be older than what its primary has; a result is final.
#[tokio::test]
async fn a_standby_replays_results_and_takes_nothing() {
    require!(Server::Postgres);
    let primary = Postgres::start().await;
    let store = migrated(patient(&primary)).await;
    let (done, running) = (Attempt::new(), Attempt::new());
    let owner = done.win(&store).await;
    done.record(&store, &owner, b"done").await;
    let owner = running.win(&store).await;
    let standby = Postgres::builder().standby_of(&primary).start().await;
    let reader = patient(&standby).connect().await.unwrap();

    let outcome = done.reserve(&reader).await.unwrap();
    assert!(matches!(&outcome, ReserveOutcome::Taken(entry) if entry.state == State::Completed));
    let says = "accepts no writes";
    for error in [
        Attempt::new().reserve(&reader).await.unwrap_err(),
        running.reserve(&reader).await.unwrap_err(),
        running.renew(&reader, &owner).await.unwrap_err(),
        running.complete(&reader, &owner, b"result").await.unwrap_err(),
        running.release(&reader, &owner).await.unwrap_err(),
        reader.purge(&done.id).await.unwrap_err(),
        reader.sweep().await.unwrap_err(),
    ] {
        is(&error, StoreErrorKind::Unavailable, says);
    }
    reader.migrate().await.expect("there is nothing to do");
    assert_eq!(reader.scan(&Scan::all()).await.unwrap().entries.len(), 2);
    assert_eq!(reader.load(&running.id).await.unwrap().unwrap().state, State::Reserved);
    let waiter = waiter(&reader, &running.id, &owner);
    running.record(&store, &owner, b"result").await;
    wakes(waiter).await;
}

#[tokio::test]
async fn an_exhausted_pool_is_an_error_in_time() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let builder = PostgresStore::builder(pool.clone());
    // To be told from a server that is gone it has half a second, or an answer of the last two.
    let store = migrated(builder.response_timeout(secs(2))).await;
    store.load(&Attempt::new().id).await.unwrap();
    let taken = pool.acquire().await.unwrap();
    let begin = std::time::Instant::now();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    is(&error, StoreErrorKind::Timeout, "every connection of the pool was in use");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    drop(taken);
    until(|| async { Attempt::new().reserve(&store).await.is_ok() }).await;
}

#[tokio::test]
async fn a_closed_pool_is_an_error_at_once() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pool = PgPoolOptions::new().connect(&server.url()).await.unwrap();
    let store = migrated(PostgresStore::builder(pool.clone()).response_timeout(SOON)).await;
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    pool.close().await;
    let begin = std::time::Instant::now();
    for error in [
        attempt.reserve(&store).await.unwrap_err(),
        store.load(&attempt.id).await.unwrap_err(),
        store.migrate().await.unwrap_err(),
        connect(pool).await.unwrap_err(),
    ] {
        is(&error, StoreErrorKind::Unavailable, "the pool of connections is closed");
    }
    assert!(begin.elapsed() < SOON / 2, "{:?}", begin.elapsed());
    // What has run is kept nevertheless, over the store's spare connection.
    attempt.record(&store, &owner, b"result").await;
    assert_eq!(records(&server).await, 1);
}

/// The listening connection is not one of the application's.
#[tokio::test]
async fn a_pool_of_one_connection_is_enough_to_wait_and_to_complete() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let store = migrated(PostgresStore::builder(pool.clone()).response_timeout(SOON)).await;
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    let waiter = waiter(&store, &attempt.id, &owner);
    until(|| async { crate::setup::awaited(&server).await == 1 }).await;
    attempt.record(&store, &owner, b"result").await;
    wakes(waiter).await;
}
