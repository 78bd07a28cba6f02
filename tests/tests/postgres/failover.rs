//! A failover in place: the old primary stays up and accepts no more writes, and its name moves.

use std::time::{Duration, Instant};

use idempotent_core::backends::{PostgresSource, PostgresStore};
use idempotent_core::store::{ReserveOutcome, State, StoreErrorKind};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, SOON, millis, until, until_within};
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;

use crate::setup::{migrated, number, patient};

/// Within which every store must be usable again.
const USABLE_AGAIN: Duration = Duration::from_secs(2);

struct Failover {
    old: Postgres,
    new: Postgres,
    /// The name: it leads to the old primary at first.
    name: TcpProxy,
}

impl Failover {
    async fn new() -> Self {
        let (old, new) = (Postgres::start().await, Postgres::start().await);
        for server in [&old, &new] {
            migrated(patient(server)).await.close().await;
        }
        Self { name: TcpProxy::start(old.address()).await, old, new }
    }

    fn url(&self) -> String {
        self.old.url_at(self.name.address())
    }

    /// A store of the name, and one on an application's pool.
    async fn stores(&self) -> [PostgresStore; 2] {
        let pool = PgPoolOptions::new().max_connections(10).connect(&self.url()).await.unwrap();
        let open = async |source: PostgresSource| {
            let store = PostgresStore::builder(source).response_timeout(SOON).connect();
            store.await.unwrap()
        };
        [open(self.url().into()).await, open(pool.into()).await]
    }

    async fn demote(&self) {
        self.old.sql("ALTER SYSTEM SET default_transaction_read_only = on").await;
        self.old.sql("SELECT pg_reload_conf()").await;
        let setting = "SHOW default_transaction_read_only";
        until(|| async { self.old.sql(setting).await[0][0].as_deref() == Some("on") }).await;
    }

    fn move_the_name(&self) {
        self.name.lead_to(self.new.address());
    }
}

/// Opens as many connections as there may be.
async fn fill(store: &PostgresStore) {
    let mut calls = JoinSet::new();
    for _ in 0..30 {
        let store = store.clone();
        calls.spawn(async move { Attempt::new().win(&store).await });
    }
    calls.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_fails_after_the_name_has_moved() {
    require!(Server::Postgres);
    let at = Failover::new().await;
    for store in at.stores().await {
        fill(&store).await;
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        at.demote().await;
        at.move_the_name();
        for _ in 0..30 {
            Attempt::new().win(&store).await;
        }
        fill(&store).await;
        // The record was lost with the old primary, and the result is kept on the new one.
        attempt.record(&store, &reservation, b"result").await;
        assert!(number(&at.new, "SELECT count(*) FROM idempotent.records").await >= 61);
        at.old.sql("ALTER SYSTEM RESET default_transaction_read_only").await;
        at.old.sql("SELECT pg_reload_conf()").await;
        let setting = "SHOW default_transaction_read_only";
        until(|| async { at.old.sql(setting).await[0][0].as_deref() == Some("off") }).await;
        at.name.lead_to(at.old.address());
        at.new.sql("DELETE FROM idempotent.records").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_usable_again_soon_after_the_name_has_moved() {
    require!(Server::Postgres);
    let at = Failover::new().await;
    let stores = at.stores().await;
    for store in &stores {
        fill(store).await;
    }
    at.demote().await;
    // For longer than it takes to look for another server.
    let begin = Instant::now();
    while begin.elapsed() < millis(1_500) {
        for store in &stores {
            let error = Attempt::new().reserve(store).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Unavailable);
            assert!(error.to_string().contains("accepts no writes"), "{error}");
        }
        tokio::time::sleep(millis(20)).await;
    }
    at.move_the_name();
    for store in &stores {
        until_within(USABLE_AGAIN + SOON, async || Attempt::new().reserve(store).await.is_ok())
            .await;
        fill(store).await;
    }
}

#[tokio::test]
async fn a_standby_is_not_asked_for_new_connections_all_the_time() {
    require!(Server::Postgres);
    let primary = Postgres::start().await;
    let done = Attempt::new();
    let store = migrated(patient(&primary)).await;
    let reservation = done.win(&store).await;
    done.record(&store, &reservation, b"result").await;
    let standby = Postgres::builder().standby_of(&primary).start().await;
    let proxy = TcpProxy::start(standby.address()).await;
    let store = PostgresStore::builder(standby.url_at(proxy.address())).response_timeout(SOON);
    let store = store.sweep_every(None).connect().await.unwrap();
    let begin = Instant::now();
    for _ in 0..300 {
        Attempt::new().reserve(&store).await.unwrap_err();
        let ReserveOutcome::Taken(entry) = done.reserve(&store).await.unwrap() else {
            panic!("it was won");
        };
        assert_eq!(entry.state, State::Completed);
    }
    let half_seconds = begin.elapsed().as_millis() as u64 / 500;
    assert!(proxy.counts().connections() <= 20 + half_seconds, "{:?}", proxy.counts());
}
