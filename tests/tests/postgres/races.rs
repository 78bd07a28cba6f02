//! Many at once, at every isolation level that a database may have as its default, and beside the
//! sweeper.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{Complete, CompleteOutcome, ReserveOutcome, Store, StoreError};
use idempotent_core::testing::contract::{self, Lapsed};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, SOON, TwoHandles};
use sqlx::postgres::PgPoolOptions;

use crate::setup::{VERSIONS, migrated, patient};

/// A store on a pool of the application: its connections have the isolation level of their server, which the store's own
/// do not.
async fn on_a_pool(server: &Postgres) -> PostgresStore {
    let pool = PgPoolOptions::new().max_connections(10).connect(&server.url()).await.unwrap();
    migrated(PostgresStore::builder(pool).response_timeout(SOON)).await
}

fn won(outcome: &Result<ReserveOutcome, StoreError>) -> bool {
    matches!(outcome.as_ref().unwrap(), ReserveOutcome::Won)
}

/// So many callers of one id, every other one through another process.
async fn race(stores: &[PostgresStore; 2], attempt: &Attempt) -> usize {
    let callers = (0..16).map(|caller| attempt.reserve(&stores[caller % 2]));
    join_all(callers).await.iter().filter(|outcome| won(outcome)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_isolation_level_one_of_many_wins_and_nobody_gets_an_error() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        for level in ["read committed", "repeatable read", "serializable"] {
            let server = Postgres::builder()
                .version(version)
                .arg("default_transaction_isolation", level)
                .start()
                .await;
            let stores = [on_a_pool(&server).await, on_a_pool(&server).await];
            for _ in 0..3 {
                let attempt = Attempt::new();
                assert_eq!(race(&stores, &attempt).await, 1, "{level}: a vacant id");
                server.sql("UPDATE idempotent.records SET lapses_at = now()").await;
                assert_eq!(race(&stores, &attempt).await, 1, "{level}: a lapsed id");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_isolation_level_one_of_many_who_settle_the_last_steps_has_the_call_go_on() {
    const CASE: &str = "of_many_who_settle_the_last_steps_one_has_the_call_go_on";
    require!(Server::Postgres);
    let case = contract::cases().into_iter().find(|case| case.name() == CASE);
    let case = case.expect("it is in the contract");
    for level in ["repeatable read", "serializable"] {
        let server = Postgres::builder().arg("default_transaction_isolation", level).start().await;
        case.run(TwoHandles::open(Lapsed::Kept, async || on_a_pool(&server).await).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_isolation_level_one_of_many_results_for_a_vacant_id_is_recorded() {
    require!(Server::Postgres);
    for level in ["read committed", "serializable"] {
        let server = Postgres::builder().arg("default_transaction_isolation", level).start().await;
        let stores = [on_a_pool(&server).await, on_a_pool(&server).await];
        for _ in 0..3 {
            let attempt = Attempt::new();
            let mut reservations = Vec::new();
            for _ in 0..8 {
                reservations.push(attempt.win(&stores[0]).await);
                stores[0].purge(&attempt.id).await.unwrap();
            }
            let results = reservations
                .iter()
                .enumerate()
                .map(|(at, reservation)| attempt.complete(&stores[at % 2], reservation, b"result"));
            let outcomes = join_all(results).await;
            let recorded = outcomes
                .iter()
                .filter(|outcome| matches!(outcome.as_ref().unwrap(), CompleteOutcome::Recorded));
            assert_eq!(recorded.count(), 1, "{level}");
        }
    }
}

/// A result is over at once, so that each winner follows a row that a sweeper is after.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweeper_never_takes_what_was_reserved_anew() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server).sweep_every(None)).await;
    let sweeping = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                store.sweep().await.unwrap();
            }
        }
    });
    let callers = (0..8).map(|_| async {
        let attempt = Attempt::new();
        for _ in 0..50 {
            let reservation = attempt.win(&store).await;
            let entry = store.load(&attempt.id).await.unwrap();
            assert_eq!(entry.expect("it was just reserved").record, reservation);
            let record = reservation.completed(b"result");
            let ttl = Duration::from_micros(1);
            let request = Complete::new(&attempt.id, &reservation, &record, ttl);
            let outcome = store.complete(&request).await.unwrap();
            assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
        }
    });
    join_all(callers).await;
    assert!(!sweeping.is_finished(), "the sweeper went on to the end");
    sweeping.abort();
}
