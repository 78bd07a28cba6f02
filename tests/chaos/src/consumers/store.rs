//! A worker's store.

use std::time::Duration;

use anyhow::Result;
use idempotent_core::Idempotency;
use idempotent_core::backends::{PostgresStore, RedisStore};
use idempotent_core::store::StoreError;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::{Instant, sleep};

use super::Assignment;

/// How long a call of the store may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longer than any fault.
const PATIENCE: Duration = Duration::from_secs(30);
/// Of each worker.
const CONNECTIONS: u32 = 12;

/// The engine of a worker, and its database if it has one.
pub(super) async fn engine(assignment: &Assignment) -> Result<(Idempotency, Option<PgPool>)> {
    let url = assignment.store_url.as_str();
    if url.starts_with("redis") {
        let connect = async || RedisStore::builder(url).response_timeout(TIMEOUT).connect().await;
        let engine = Idempotency::builder(once_there(connect).await?).store_timeout(TIMEOUT);
        return Ok((engine.build(), None));
    }
    let options = PgPoolOptions::new().max_connections(CONNECTIONS);
    let pool = options.acquire_timeout(TIMEOUT * 2).connect_lazy(url)?;
    let connect = async || {
        let builder = PostgresStore::builder(pool.clone()).group_commits(true);
        builder.response_timeout(TIMEOUT).connect().await
    };
    let engine = Idempotency::builder(once_there(connect).await?).store_timeout(TIMEOUT);
    Ok((engine.build(), Some(pool)))
}

/// Connects, also to what is about to be there: a worker may be started during a fault.
pub(super) async fn once_there<T>(connect: impl AsyncFn() -> Result<T, StoreError>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match connect().await {
            Ok(connected) => return Ok(connected),
            Err(error) if Instant::now() >= deadline => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}
