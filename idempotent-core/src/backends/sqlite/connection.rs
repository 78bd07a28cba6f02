//! Running queries on the file: each takes a connection of the pool, and has a deadline.
//!
//! Each query runs in a task of its own. If its caller is dropped, the query is not cut short, and later ones
//! do not overtake it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Error, SqlitePool};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::error::{no_runtime, store_error, timed_out};
use super::query::Query;
use super::schema;
use super::table_names::TableNames;
use super::write_queue::{Write, WriteQueue, Written};
use crate::store::StoreError;

/// Runs the queries of one store.
pub(super) struct Connection {
    pool: SqlitePool,
    timeout: Duration,
    writes: Arc<WriteQueue>,
}

impl Connection {
    pub(super) fn new(pool: SqlitePool, timeout: Duration) -> Self {
        let writes = Arc::new(WriteQueue::new(pool.clone(), timeout));
        Self { pool, timeout, writes }
    }

    pub(super) const fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Runs the versions of the schema that have not run yet.
    pub(super) async fn migrate(&self, names: &TableNames) -> Result<(), StoreError> {
        let (pool, names) = (self.pool.clone(), names.clone());
        let migrated = async move { schema::migrate(&mut *pool.acquire().await?, &names).await };
        self.bounded(migrated).await.map(drop)
    }

    /// Runs a query that changes nothing, and returns its rows.
    pub(super) async fn read(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        let pool = self.pool.clone();
        self.bounded(async move { query.fetch_all(&pool).await }).await
    }

    /// Runs a query that changes rows, and returns how many.
    pub(super) async fn change(&self, query: Query) -> Result<u64, StoreError> {
        Ok(self.write(Write::new().and(query)).await?.changed)
    }

    /// Writes atomically.
    pub(super) async fn write(&self, write: Result<Write, Error>) -> Result<Written, StoreError> {
        let writes = Arc::clone(&self.writes);
        self.bounded(async move { writes.write(write?).await }).await
    }

    async fn bounded<T: Send + 'static>(
        &self,
        query: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let answer = timeout(self.timeout, query).in_current_span();
        let answer = match runtime.spawn(answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(timed_out())),
            // The runtime is shutting down.
            Err(_) => Err(Error::WorkerCrashed),
        };
        answer.map_err(store_error)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
