//! A server and the stores that share it, and what the tests ask both.

use idempotent_core::backends::{PostgresSource, PostgresStore, PostgresStoreBuilder};
use idempotent_core::model::Record;
use idempotent_core::store::StoreError;
use idempotent_servers::{Postgres, PostgresVersion};
use idempotent_tests::{Attempt, HOUR, SOON, until, waiter};
use tokio::task::JoinHandle;

pub(crate) const VERSIONS: [PostgresVersion; 2] =
    [PostgresVersion::Distribution, PostgresVersion::V18];

/// A store with its tables.
pub(crate) async fn migrated(builder: PostgresStoreBuilder) -> PostgresStore {
    let store = builder.connect().await.unwrap();
    store.migrate().await.unwrap();
    store
}

/// As [`PostgresStore::connect`], on a machine that may be slow.
pub(crate) async fn connect(
    source: impl Into<PostgresSource>,
) -> Result<PostgresStore, StoreError> {
    PostgresStore::builder(source).response_timeout(SOON).connect().await
}

/// A store of the server's defaults, on a machine that may be slow.
pub(crate) fn patient(server: &Postgres) -> PostgresStoreBuilder {
    PostgresStore::builder(server.url()).response_timeout(SOON)
}

/// A store that looks once when somebody waits and then not for an hour: only a notification wakes.
pub(crate) fn never_looking(server: &Postgres) -> PostgresStoreBuilder {
    patient(server).wait_pauses(HOUR, HOUR)
}

/// Two stores of that kind, as two processes have them.
pub(crate) async fn two_stores(server: &Postgres) -> [PostgresStore; 2] {
    let owner = migrated(never_looking(server)).await;
    [owner, never_looking(server).connect().await.unwrap()]
}

/// The number that a query of one row and one column gives.
pub(crate) async fn number(server: &Postgres, query: &str) -> usize {
    let rows = server.sql(query).await;
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

pub(crate) async fn records(server: &Postgres) -> usize {
    number(server, "SELECT count(*) FROM idempotent.records").await
}

/// How many stores listen.
pub(crate) async fn listeners(server: &Postgres) -> usize {
    number(
        server,
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %' OR query = 'SHOW transaction_read_only'",
    )
    .await
}

/// How many running calls are known to be waited for.
pub(crate) async fn awaited(server: &Postgres) -> usize {
    number(server, "SELECT count(*) FROM idempotent.records WHERE awaited").await
}

/// A task that waits, once it is known to the server and its process listens.
pub(crate) async fn known_waiter(
    server: &Postgres,
    store: &PostgresStore,
    attempt: &Attempt,
    reservation: &Record,
) -> JoinHandle<()> {
    let before = awaited(server).await;
    let waiter = waiter(store, &attempt.id, reservation);
    until(|| async { awaited(server).await > before && listeners(server).await > 0 }).await;
    waiter
}

/// A call of one store that another waits for, as the server knows.
pub(crate) async fn waited_for(
    server: &Postgres,
    owner: &PostgresStore,
    other: &PostgresStore,
) -> (Attempt, Record, JoinHandle<()>) {
    let attempt = Attempt::new();
    let reservation = attempt.win(owner).await;
    let waiter = known_waiter(server, other, &attempt, &reservation).await;
    (attempt, reservation, waiter)
}
