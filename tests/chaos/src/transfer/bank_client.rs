//! Where calls are made as an application makes them: a pool, an engine and an isolation level.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use idempotent_core::Idempotency;
use idempotent_core::backends::{PostgresStore, RetryTransaction};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::time::sleep;

use super::Level;
use super::bank::{BankError, Order, Terms, transfer};

pub(super) struct BankClient {
    pub(super) level: Level,
    pub(super) pool: PgPool,
    pub(super) engine: Idempotency,
    retry: RetryTransaction,
}

impl BankClient {
    /// Opens it once there is a server. Its connections are called `name`.
    pub(super) async fn open(
        url: &str,
        level: Level,
        name: &str,
        connections: u32,
    ) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(2))
            .connect_lazy_with(PgConnectOptions::from_str(url)?.application_name(name));
        let engine = Idempotency::new(store(&pool).await);
        Ok(Self { level, pool, engine, retry: level.retry() })
    }

    /// Leaves it to others to run a transaction again.
    pub(super) fn trying_once(mut self) -> Self {
        self.retry = self.retry.attempts(1);
        self
    }

    /// In a transaction of its own.
    pub(super) async fn call(&self, order: &Order, terms: Terms) -> Result<i64, BankError> {
        let called = self.retry.run(&self.pool, async |mut tx| {
            let moved = transfer(&self.engine, &mut tx, order, terms).await;
            (tx, moved)
        });
        called.await
    }
}

/// The server may be down just now.
async fn store(pool: &PgPool) -> PostgresStore {
    loop {
        match PostgresStore::builder(pool.clone()).connect().await {
            Ok(store) => return store,
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
