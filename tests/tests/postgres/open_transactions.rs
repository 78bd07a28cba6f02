//! Connections of an application's pool that somebody left within a transaction.

use std::future::Future;

use idempotent_core::backends::{PostgresStore, RetryTransaction, retry_transaction};
use idempotent_core::outbox::Outbox;
use idempotent_core::store::{ReserveOutcome, Scan, State, Store};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, PostgresVersion, TcpProxy, require};
use idempotent_tests::{Attempt, Runs, SOON, call, until};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};

use crate::run::{begin_all, write_all};
use crate::setup::{VERSIONS, connect, migrated, number, records};

const CHARGE: Operation = Operation::new("shop::charge");

const LEFT_OPEN: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'";

/// An application's pool behind a proxy, with a store on it.
struct Shop {
    server: Postgres,
    proxy: TcpProxy,
    pool: PgPool,
    store: PostgresStore,
}

impl Shop {
    async fn open(version: PostgresVersion, connections: u32) -> Self {
        let server = Postgres::builder().version(version).start().await;
        let proxy = TcpProxy::start(server.address()).await;
        let pool = PgPoolOptions::new().max_connections(connections).test_before_acquire(false);
        let pool = pool.connect(&server.url_at(proxy.address())).await.unwrap();
        let store = PostgresStore::builder(pool.clone()).response_timeout(SOON).sweep_every(None);
        let store = migrated(store).await;
        Self { server, proxy, pool, store }
    }

    /// Drops a future while the server's answer to its `BEGIN` is under way.
    async fn cancel<T>(&self, begins: impl Future<Output = T>) {
        self.all_idle().await;
        self.proxy.stall_replies();
        tokio::select! {
            _ = begins => panic!("it was answered"),
            () = until(|| async { number(&self.server, LEFT_OPEN).await > 0 }) => {}
        }
        self.proxy.resume();
    }

    /// Leaves every connection of the pool within a transaction, as a cancelled request does.
    async fn leave_transactions_open(&self) {
        let connections = self.pool.options().get_max_connections();
        let mut taken = Vec::new();
        for _ in 0..connections {
            let mut connection = self.pool.acquire().await.unwrap();
            connection.execute("BEGIN").await.unwrap();
            taken.push(connection);
        }
        drop(taken);
        until(|| async { self.pool.num_idle() == connections as usize }).await;
        assert_eq!(number(&self.server, LEFT_OPEN).await, connections as usize);
    }

    /// The pool asks every connection that comes back whether it lives.
    async fn all_idle(&self) {
        until(|| async { self.pool.num_idle() == self.pool.size() as usize }).await;
    }

    async fn nothing_is_left_open(&self) {
        until(|| async { number(&self.server, LEFT_OPEN).await == 0 }).await;
    }
}

#[tokio::test]
async fn a_call_after_a_cancelled_begin_runs_once() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let shop = Shop::open(version, 1).await;
        let (engine, runs) = (Idempotency::new(shop.store.clone()), Runs::new());
        shop.cancel(shop.pool.begin()).await;
        shop.all_idle().await;
        assert_eq!(number(&shop.server, LEFT_OPEN).await, 1, "sqlx cleans up by itself");

        for _ in 0..3 {
            assert_eq!(call(&engine, CHARGE, "7", &runs).await.unwrap(), 1);
        }

        assert_eq!(records(&shop.server).await, 1, "nobody else sees it");
        shop.nothing_is_left_open().await;
        shop.pool.close().await;
        let store = connect(shop.server.url()).await.unwrap();
        assert_eq!(call(&Idempotency::new(store), CHARGE, "7", &runs).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn no_step_is_taken_in_a_transaction_that_somebody_left_open() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let shop = Shop::open(version, 3).await;
        let state = async |attempt: &Attempt| {
            let entry = connect(shop.server.url()).await.unwrap();
            entry.load(&attempt.id).await.unwrap().map(|entry| entry.state)
        };
        let (kept, released, purged) = (Attempt::new(), Attempt::new(), Attempt::new());
        shop.leave_transactions_open().await;
        let reservation = kept.win(&shop.store).await;
        assert_eq!(state(&kept).await, Some(State::Reserved));
        shop.leave_transactions_open().await;
        kept.renew(&shop.store, &reservation).await.unwrap();
        shop.leave_transactions_open().await;
        kept.record(&shop.store, &reservation, b"result").await;
        assert_eq!(state(&kept).await, Some(State::Completed));

        let reservation = released.win(&shop.store).await;
        shop.leave_transactions_open().await;
        released.release(&shop.store, &reservation).await.unwrap();
        assert_eq!(state(&released).await, None);

        let reservation = purged.win(&shop.store).await;
        shop.leave_transactions_open().await;
        assert!(shop.store.purge(&purged.id).await.unwrap());
        assert_eq!(state(&purged).await, None);
        shop.leave_transactions_open().await;
        purged.record(&shop.store, &reservation, b"late").await;
        assert_eq!(state(&purged).await, Some(State::Completed));

        for scan in [Scan::all(), Scan::unfinished()] {
            shop.leave_transactions_open().await;
            shop.store.scan(&scan).await.unwrap();
        }
        shop.leave_transactions_open().await;
        shop.store.sweep().await.unwrap();
        shop.leave_transactions_open().await;
        assert_eq!(Outbox::new(shop.pool.clone()).backlog().await.unwrap().pending, 0);
    }
}

/// A step that is answered as written, and then rolled back with somebody's transaction, takes effect again.
#[tokio::test]
async fn no_group_of_steps_is_written_in_a_transaction_that_somebody_left_open() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let shop = Shop::open(version, 3).await;
        let builder = PostgresStore::builder(shop.pool.clone()).group_commits(true).never_alone();
        let builder = builder.response_timeout(SOON).sweep_every(None);
        let store = builder.connect().await.unwrap();
        let runs = begin_all(&store, 10).await;
        for (name, committed) in [("hold", 10), ("charge", 20)] {
            shop.leave_transactions_open().await;
            write_all(&store, &runs, name).await;
            let steps = "SELECT count(*) FROM idempotent.records_steps";
            assert_eq!(number(&shop.server, steps).await, committed, "{name}");
        }
    }
}

/// A statement of somebody else's has failed in it, so every other one fails.
#[tokio::test]
async fn a_connection_whose_open_transaction_was_aborted_is_replaced() {
    require!(PostgresVersion::Distribution.server());
    let shop = Shop::open(PostgresVersion::Distribution, 1).await;
    let mut connection = shop.pool.acquire().await.unwrap();
    connection.execute("BEGIN").await.unwrap();
    connection.execute("SELECT 1 / 0").await.unwrap_err();
    drop(connection);
    shop.all_idle().await;
    let attempt = Attempt::new();
    attempt.win(&shop.store).await;
    let taken = attempt.reserve(&shop.store).await.unwrap();
    assert!(matches!(taken, ReserveOutcome::Taken(_)));
}

/// As an axum handler whose client leaves.
#[tokio::test]
async fn a_retried_transaction_that_is_dropped_while_it_begins_leaves_none_open() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let shop = Shop::open(version, 1).await;
        let retried = retry_transaction(&shop.pool, async |tx| (tx, Ok::<_, sqlx::Error>(())));
        shop.cancel(retried).await;
        shop.nothing_is_left_open().await;
        shop.all_idle().await;
        shop.pool.execute("CREATE TABLE effects ()").await.unwrap();
        assert_eq!(number(&shop.server, "SELECT count(*) FROM effects").await, 0);
    }
}

#[tokio::test]
async fn a_retried_transaction_does_not_join_one_that_somebody_left_open() {
    require!(PostgresVersion::Distribution.server(), PostgresVersion::V18.server());
    for version in VERSIONS {
        let shop = Shop::open(version, 1).await;
        shop.server.sql("CREATE TABLE effects (what text)").await;
        for retry in [
            RetryTransaction::new(),
            RetryTransaction::new().read_committed(),
            RetryTransaction::new().repeatable_read(),
            RetryTransaction::new().serializable(),
        ] {
            let mut connection = shop.pool.acquire().await.unwrap();
            connection.execute("BEGIN; INSERT INTO effects VALUES ('half')").await.unwrap();
            drop(connection);
            shop.all_idle().await;
            let paid = retry.run(&shop.pool, async |mut tx| {
                let paid = tx.execute("INSERT INTO effects VALUES ('paid')").await;
                (tx, paid)
            });
            paid.await.unwrap();
            let half = "SELECT count(*) FROM effects WHERE what = 'half'";
            assert_eq!(number(&shop.server, half).await, 0, "{retry:?}");
        }
        assert_eq!(number(&shop.server, "SELECT count(*) FROM effects").await, 4);
        shop.nothing_is_left_open().await;
    }
}

#[tokio::test]
async fn a_schema_is_not_migrated_in_a_transaction_that_somebody_left_open() {
    require!(PostgresVersion::Distribution.server());
    let shop = Shop::open(PostgresVersion::Distribution, 1).await;
    shop.leave_transactions_open().await;
    let other = PostgresStore::builder(shop.pool.clone()).schema("other").response_timeout(SOON);
    // It closes what it cannot use, and then works.
    if let Err(error) = other.clone().connect().await {
        assert!(error.to_string().contains("left open"), "{error}");
        other.connect().await.unwrap();
    }
    assert_eq!(number(&shop.server, "SELECT count(*) FROM other.records").await, 0);
}
