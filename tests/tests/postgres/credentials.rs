//! Passwords that change while a store is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_core::backends::{Credentials, PostgresStore, PostgresStoreBuilder};
use idempotent_core::outbox::Outbox;
use idempotent_core::store::{Store, StoreErrorKind};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, SOON, until, waiter, wakes};
use sqlx::postgres::PgPoolOptions;
use tokio::sync::watch;

use crate::setup::{listeners, migrated, never_looking, number};

const SHOPS: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop'";

/// A server that asks the role `shop` for a password, which is rotated.
struct Vault {
    server: Postgres,
    password: watch::Sender<String>,
    asked: Arc<AtomicUsize>,
}

impl Vault {
    async fn new() -> Self {
        let server = Postgres::start().await;
        migrated(PostgresStore::builder(server.url()).response_timeout(SOON)).await.close().await;
        server
            .sql(
                "CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA idempotent TO shop;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idempotent TO shop",
            )
            .await;
        let file = server.sql("SHOW hba_file").await[0][0].clone().unwrap();
        let rules = "host all shop 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
        std::fs::write(file, rules).unwrap();
        server.sql("SELECT pg_reload_conf()").await;
        let at = Self { server, password: watch::Sender::default(), asked: Arc::default() };
        at.rotate("first").await;
        at
    }

    async fn rotate(&self, password: &str) {
        self.server.sql(&format!("ALTER ROLE shop PASSWORD '{password}'")).await;
        self.password.send_replace(password.to_owned());
    }

    fn url(&self) -> String {
        self.server.url().replace("postgres@", "shop@")
    }

    fn store(&self) -> PostgresStoreBuilder {
        self.asked_by(PostgresStore::builder(self.url()))
    }

    fn asked_by(&self, builder: PostgresStoreBuilder) -> PostgresStoreBuilder {
        let (password, asked) = (self.password.subscribe(), Arc::clone(&self.asked));
        let builder = builder.response_timeout(SOON).sweep_every(None);
        builder.credentials(move || {
            asked.fetch_add(1, Ordering::Relaxed);
            let password = password.borrow().clone();
            async move { Ok(Credentials::password(password)) }
        })
    }

    async fn end_all_connections(&self) {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop'";
        self.server.sql(end).await;
        until(|| async { number(&self.server, SHOPS).await == 0 }).await;
    }
}

#[tokio::test]
async fn every_connection_of_a_store_logs_in_with_the_password_of_its_time() {
    require!(Server::Postgres);
    let at = Vault::new().await;
    let store = at.store().connect().await.unwrap();
    for password in ["second", "third"] {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        at.rotate(password).await;
        at.end_all_connections().await;
        attempt.renew(&store, &reservation).await.unwrap();
        attempt.record(&store, &reservation, b"result").await;
        assert_eq!(Outbox::of(&store).backlog().await.unwrap().pending, 0);
    }
    let asked = at.asked.load(Ordering::Relaxed);
    Attempt::new().win(&store).await;
    assert_eq!(at.asked.load(Ordering::Relaxed), asked, "an open connection stays open");
}

#[tokio::test]
async fn a_listener_logs_in_with_the_password_of_its_time() {
    require!(Server::Postgres);
    let at = Vault::new().await;
    let builder = at.asked_by(PostgresStore::builder(at.url()));
    let store = builder.wait_pauses(idempotent_tests::HOUR, idempotent_tests::HOUR);
    let store = store.connect().await.unwrap();
    let owner = never_looking(&at.server).connect().await.unwrap();
    at.rotate("second").await;
    at.end_all_connections().await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&owner).await;
    let waiter = waiter(&store, &attempt.id, &reservation);
    until(|| async { listeners(&at.server).await == 1 }).await;
    until(|| async {
        number(&at.server, "SELECT count(*) FROM idempotent.records WHERE awaited").await == 1
    })
    .await;
    attempt.record(&owner, &reservation, b"result").await;
    wakes(waiter).await;
}

/// The connections of the pool are the application's, and those beside it are the store's.
#[tokio::test]
async fn a_store_on_a_pool_renews_with_credentials_of_its_own() {
    require!(Server::Postgres);
    let at = Vault::new().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&at.server.url()).await.unwrap();
    let store = at.asked_by(PostgresStore::builder(pool.clone()));
    let store = store.connect().await.unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    assert_eq!(number(&at.server, SHOPS).await, 0);
    // The user's name is that of the pool's options, and needs no password.
    attempt.renew(&store, &reservation).await.unwrap();
    assert!(at.asked.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn a_provider_that_fails_is_the_cause_of_the_stores_error() {
    require!(Server::Postgres);
    let at = Vault::new().await;
    let builder = PostgresStore::builder(at.url()).response_timeout(SOON);
    let failing = builder.credentials(|| async { Err("the vault is sealed".into()) });
    let error = failing.connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("provider of credentials"), "{error}");
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "the vault is sealed");
}

#[tokio::test]
async fn a_password_is_never_in_debug_output() {
    require!(Server::Postgres);
    let at = Vault::new().await;
    at.rotate("hunter2").await;
    let builder = at.store();
    let shown = format!("{builder:?}");
    let store = builder.connect().await.unwrap();
    let shown = format!("{shown} {store:?} {:?}", Credentials::new("shop", "hunter2"));
    assert!(!shown.contains("hunter2"), "{shown}");
    store.load(&Attempt::new().id).await.unwrap();
}
