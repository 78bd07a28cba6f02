//! Running queries on the file: each takes a connection, and has a deadline.
//!
//! Each query runs in a task of its own. If its caller is dropped, the query is not cut short, and later ones
//! do not overtake it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Error;
use sqlx::sqlite::SqliteRow;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::connections::{Connections, Purpose};
use super::error::{no_runtime, store_error, timed_out};
use super::query::Query;
use super::schema;
use super::table_names::TableNames;
use super::write_queue::{Write, WriteQueue, Written};
use crate::store::StoreError;

/// Runs the queries of one store.
pub(super) struct Connection {
    connections: Arc<Connections>,
    timeout: Duration,
    writes: Arc<WriteQueue>,
}

impl Connection {
    pub(super) fn new(connections: Connections, timeout: Duration) -> Self {
        let connections = Arc::new(connections);
        let writes = Arc::new(WriteQueue::new(Arc::clone(&connections), timeout));
        Self { connections, timeout, writes }
    }

    pub(super) const fn connections(&self) -> &Arc<Connections> {
        &self.connections
    }

    /// The longest that one query may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Runs the versions of the schema that have not run yet.
    pub(super) async fn migrate(&self, names: &TableNames) -> Result<(), StoreError> {
        let (connections, names) = (Arc::clone(&self.connections), names.clone());
        let migrated = async move {
            let mut borrowed = connections.acquire(Purpose::Write).await?;
            let migrated = schema::migrate(&mut borrowed.connection, &names).await;
            connections.give_back(borrowed, migrated.as_ref().err()).await;
            migrated
        };
        self.bounded(migrated).await.map(drop)
    }

    /// Runs a query that changes nothing, and returns its rows.
    pub(super) async fn read(&self, query: Query) -> Result<Vec<SqliteRow>, StoreError> {
        let connections = Arc::clone(&self.connections);
        let read = async move {
            let mut borrowed = connections.acquire(Purpose::Read).await?;
            let rows = query.fetch_all(&mut *borrowed.connection).await;
            connections.give_back(borrowed, rows.as_ref().err()).await;
            rows
        };
        self.bounded(read).await
    }

    /// Runs a query that changes rows, and returns how many.
    pub(super) async fn change(&self, query: Query) -> Result<u64, StoreError> {
        Ok(self.write(Write::new().and(query)).await?.changed)
    }

    /// The same for a query that a lease depends on: it overtakes the other writes that wait.
    pub(super) async fn change_first(&self, query: Query) -> Result<u64, StoreError> {
        Ok(self.write(Write::urgent().and(query)).await?.changed)
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
