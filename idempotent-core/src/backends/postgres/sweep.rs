//! Sweeping: removes expired records in small batches, which neither wait for calls nor make calls wait.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::connection::Retry;
use super::error::store_error;
use super::inner::Inner;
use super::query::Query;
use crate::backends::shared::retention::retention_ended;
use crate::backends::shared::sql::{Sweep, SweepBatch};
use crate::store::StoreError;

/// The most records that one statement removes: few enough that no commit takes long.
const BATCH: u64 = 500;

/// The shortest pause between two batches.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// The pause after a batch, as a multiple of the time that the batch took: a sweeper with a backlog then
/// takes a tenth of the server's time that a busy caller takes.
const PAUSE_FACTOR: u32 = 9;

/// How long a batch may take. Nobody waits for it.
const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl Sweep for Inner {
    async fn sweep_batch(&self) -> Result<SweepBatch, StoreError> {
        let start = Instant::now();
        let completed = remove(self, &self.statements.sweep).await?;
        let completed: i64 =
            completed.first().map_or(Ok(0), |row| row.try_get(0)).map_err(store_error)?;
        let unfinished = remove(self, &self.statements.sweep_unfinished).await?;
        unfinished.iter().try_for_each(log_unresolved)?;
        let (completed, unfinished) = (completed.unsigned_abs(), unfinished.len() as u64);
        let is_last = completed.max(unfinished) < BATCH;
        let pause = (start.elapsed() * PAUSE_FACTOR).max(SHORTEST_PAUSE);
        Ok(SweepBatch { records: completed + unfinished, pause: (!is_last).then_some(pause) })
    }
}

async fn remove(store: &Inner, statement: &sqlx::SqlStr) -> Result<Vec<PgRow>, StoreError> {
    let query = || Query::new(statement).bind(BATCH as i64);
    let deadline = Instant::now() + BATCH_TIMEOUT;
    store.connection.fetch_until(query, Retry::Yes, deadline).await.map_err(store_error)
}

/// Logs a record that nobody resolved. Other rows have no operation.
fn log_unresolved(row: &PgRow) -> Result<(), StoreError> {
    let operation: Option<&str> = row.try_get("operation").map_err(store_error)?;
    let hash: &[u8] = row.try_get("id").map_err(store_error)?;
    if let (Some(operation), Ok(hash)) = (operation, hash.try_into()) {
        retention_ended(operation, hash);
    }
    Ok(())
}
