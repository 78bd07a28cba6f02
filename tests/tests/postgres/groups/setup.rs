//! Many calls at once, and how many transactions they were.

use futures::future::join_all;
use idempotent_core::backends::{PostgresStore, PostgresStoreBuilder};
use idempotent_core::model::Record;
use idempotent_core::store::{ReserveOutcome, StoreError};
use idempotent_servers::Postgres;
use idempotent_tests::Attempt;

use crate::setup::{migrated, number, patient};

/// A store whose every step is in a group.
pub(super) fn grouping(server: &Postgres) -> PostgresStoreBuilder {
    patient(server).sweep_every(None).never_alone()
}

/// A server, and a store whose every step is in a group.
pub(super) async fn started() -> (Postgres, PostgresStore) {
    let server = Postgres::start().await;
    let store = migrated(grouping(&server)).await;
    (server, store)
}

pub(crate) fn attempts(count: usize) -> Vec<Attempt> {
    (0..count).map(|_| Attempt::new()).collect()
}

pub(super) fn is_won(outcome: &Result<ReserveOutcome, StoreError>) -> bool {
    matches!(outcome, Ok(ReserveOutcome::Won))
}

/// Reserves all at once, and panics unless all are won.
pub(crate) async fn win_all(store: &PostgresStore, attempts: &[Attempt]) -> Vec<Record> {
    join_all(attempts.iter().map(|attempt| attempt.win(store))).await
}

/// Completes all at once, and panics unless all are recorded.
pub(crate) async fn record_all(
    store: &PostgresStore,
    attempts: &[Attempt],
    reservations: &[Record],
    result: &[u8],
) {
    let all = attempts.iter().zip(reservations);
    join_all(all.map(|(attempt, reservation)| attempt.record(store, reservation, result))).await;
}

/// How many transactions wrote the records as they are.
pub(crate) async fn transactions(server: &Postgres) -> usize {
    number(server, "SELECT count(DISTINCT xmin::text) FROM idempotent.records").await
}

/// How many statements are running that write groups.
pub(super) async fn groups_under_way(server: &Postgres) -> usize {
    number(
        server,
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'
         AND query LIKE '%\"records_change%' AND pid <> pg_backend_pid()",
    )
    .await
}

/// From now on the server takes so long to write a record of this operation, in seconds.
pub(super) async fn slow_down(server: &Postgres, writes: &str, seconds: f64, operation: &str) {
    server
        .sql(&format!(
            "CREATE FUNCTION idempotent.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE {writes} ON idempotent.records
                 FOR EACH ROW WHEN (NEW.operation = '{operation}')
                 EXECUTE FUNCTION idempotent.slow()"
        ))
        .await;
}
