//! The sweeper: what it removes, what it leaves, and how it is stopped.

use std::time::Duration;

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{State, Store};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, Log, SOON, secs, until, until_within};
use sqlx::{Connection, PgConnection, PgPool};

use crate::setup::{migrated, patient, records};

const EXPIRE: &str =
    "UPDATE idempotent.records SET expires_at = now() WHERE expires_at IS NOT NULL";
const LAPSE: &str = "UPDATE idempotent.records SET lapses_at = now() WHERE expires_at IS NULL";
const FORGET: &str = "UPDATE idempotent.records SET retention = '0' WHERE expires_at IS NULL";

async fn idle(server: &Postgres) -> PostgresStore {
    migrated(patient(server).sweep_every(None)).await
}

async fn completed(store: &PostgresStore) -> Attempt {
    let attempt = Attempt::new();
    let reservation = attempt.win(store).await;
    attempt.record(store, &reservation, b"result").await;
    attempt
}

#[tokio::test]
async fn what_is_over_goes_and_all_else_stays() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = idle(&server).await;
    let (lapsed, in_doubt) = (Attempt::new(), Attempt::at_most_once());
    lapsed.win(&store).await;
    in_doubt.win(&store).await;
    server.sql(LAPSE).await;
    completed(&store).await;
    server.sql(EXPIRE).await;
    let kept = completed(&store).await;
    let running = Attempt::at_most_once();
    running.win(&store).await;

    assert_eq!(store.sweep().await.unwrap(), 1, "the result whose time is over");
    assert_eq!(store.sweep().await.unwrap(), 0);
    for (attempt, state) in [
        (&lapsed, State::Lapsed),
        (&in_doubt, State::Indeterminate),
        (&kept, State::Completed),
        (&running, State::Reserved),
    ] {
        assert_eq!(store.load(&attempt.id).await.unwrap().unwrap().state, state);
    }
}

#[tokio::test]
async fn a_record_that_nobody_resolved_within_its_retention_goes_and_is_told_of() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = idle(&server).await;
    let (lapsed, in_doubt) = (Attempt::new(), Attempt::at_most_once());
    lapsed.win(&store).await;
    in_doubt.win(&store).await;
    server.sql(LAPSE).await;
    server.sql(FORGET).await;
    let (log, _listening) = Log::listen();
    assert_eq!(store.sweep().await.unwrap(), 2);
    let told = log.events("was not resolved within its retention");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].fields["record"], in_doubt.id.to_string());
}

#[tokio::test]
async fn a_record_that_nobody_resolved_is_told_of_also_when_its_key_is_taken_first() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = idle(&server).await;
    let (lapsed, in_doubt) = (Attempt::new(), Attempt::at_most_once());
    lapsed.win(&store).await;
    in_doubt.win(&store).await;
    server.sql(LAPSE).await;
    server.sql(FORGET).await;
    let (log, _listening) = Log::listen();
    lapsed.win(&store).await;
    in_doubt.win(&store).await;
    let told = log.events("was not resolved within its retention");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].fields["record"], in_doubt.id.to_string());
}

#[tokio::test]
async fn a_sweep_takes_as_many_batches_as_it_needs() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = idle(&server).await;
    fill(&server, 1700).await;
    completed(&store).await;
    assert_eq!(store.sweep().await.unwrap(), 1700);
    assert_eq!(records(&server).await, 1);
}

/// So many results whose time is over.
async fn fill(server: &Postgres, count: usize) {
    let statement = format!(
        "INSERT INTO idempotent.records (expires_at, retention, guarantee, id, token, operation, record)
         SELECT now(), '0', 0, sha256(n::text::bytea), '', 'shop::charge', ''
         FROM generate_series(1, {count}) AS n"
    );
    server.sql(&statement).await;
}

#[tokio::test]
async fn what_somebody_holds_is_not_waited_for() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = idle(&server).await;
    fill(&server, 10).await;
    let mut other = PgConnection::connect(&server.url()).await.unwrap();
    let mut held = other.begin().await.unwrap();
    sqlx::query("SELECT FROM idempotent.records LIMIT 1 FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    assert_eq!(store.sweep().await.unwrap(), 9);
    held.rollback().await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_share_the_work() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let (one, two) = (idle(&server).await, idle(&server).await);
    fill(&server, 3000).await;
    let (one, two) = tokio::join!(one.sweep(), two.sweep());
    assert_eq!(one.unwrap() + two.unwrap(), 3000);
    assert_eq!(records(&server).await, 0);
}

/// Without the index a sweep would read all records that are kept.
#[tokio::test]
async fn a_sweep_reads_what_is_over_and_no_more() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    idle(&server).await;
    fill(&server, 20_000).await;
    server.sql("UPDATE idempotent.records SET expires_at = now() + '1h'").await;
    server.sql("VACUUM ANALYZE idempotent.records").await;
    for (statement, index) in [
        (
            include_str!("../../../idempotent-core/src/backends/postgres/sql/sweep.sql"),
            "records_expiry",
        ),
        (
            include_str!("../../../idempotent-core/src/backends/postgres/sql/sweep_unfinished.sql"),
            "records_unfinished",
        ),
    ] {
        let statement = statement.replace("{autocommit}", "true").replace("$1", "500");
        let plan = server.sql(&format!("EXPLAIN {statement}")).await;
        let plan: Vec<_> = plan.into_iter().flatten().flatten().collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{plan}");
    }
}

#[tokio::test]
async fn a_store_sweeps_by_itself_from_its_first_reservation_on() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).sweep_every(Duration::from_millis(20))).await;
    fill(&server, 1700).await;
    Attempt::new().win(&store).await;
    // Between two batches it pauses for nine times as long as the first one took.
    until_within(secs(60), || async { records(&server).await == 1 }).await;
    fill(&server, 1).await;
    until(|| async { records(&server).await == 1 }).await;
}

#[tokio::test]
async fn a_sweeper_outlives_a_restart_of_the_server() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).sweep_every(Duration::from_millis(20))).await;
    Attempt::new().win(&store).await;
    server.restart().await;
    fill(&server, 1).await;
    until(|| async { records(&server).await == 1 }).await;
}

/// Its pauses are so short that it would have swept many times by then.
#[tokio::test]
async fn a_store_that_was_closed_sweeps_no_more() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let builder = PostgresStore::builder(pool.clone()).response_timeout(SOON);
    let builder = builder.sweep_every(Duration::from_millis(10));
    let (stopped, dropped) = (migrated(builder.clone()).await, builder.connect().await.unwrap());
    Attempt::new().win(&stopped).await;
    Attempt::new().win(&dropped).await;
    fill(&server, 1).await;
    until(|| async { records(&server).await == 2 }).await;
    stopped.close().await;
    drop(dropped);
    // A batch that was under way when its store was dropped.
    until(|| async { pool.num_idle() == pool.size() as usize }).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    fill(&server, 1).await;
    Attempt::new().win(&stopped).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(records(&server).await, 4);
}
