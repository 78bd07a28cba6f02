//! Sweeping: removes expired records, a few rows at a time, so that nobody waits long for the file.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlStr};

use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use super::write_queue::Write;
use crate::backends::shared::retention::retention_ended;
use crate::backends::shared::sql::{Sweep, SweepBatch};
use crate::store::StoreError;

/// The most rows that one step removes.
const BATCH: usize = 200;

/// Lets other writers in.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a purge stays readable for other processes, in milliseconds. A process that did not read for
/// longer drops all of its copies.
const PURGES_KEPT_FOR: i64 = 10 * 60 * 1000;

#[async_trait]
impl Sweep for Inner {
    async fn sweep_batch(&self) -> Result<SweepBatch, StoreError> {
        let mut records = 0;
        for expired in [&self.statements.expired_completed, &self.statements.expired_unfinished] {
            let (removed, is_last) = remove(self, expired).await?;
            records += removed;
            if !is_last {
                return Ok(SweepBatch { records, pause: Some(PAUSE) });
            }
        }
        self.connection.change(query(&self.statements.sweep_purges).bind(PURGES_KEPT_FOR)).await?;
        Ok(SweepBatch { records, pause: None })
    }
}

/// Finds expired rows without a lock on the file, since the search may take long, and then removes those
/// that are still expired. Returns how many those were, and whether there are no others.
async fn remove(store: &Inner, expired: &SqlStr) -> Result<(u64, bool), StoreError> {
    let found = store.connection.read(query(expired).bind(BATCH as i64)).await?;
    if found.is_empty() {
        return Ok((0, true));
    }
    let sweep = query(&store.statements.sweep).bind(row_numbers(&found)?);
    let removed = store.connection.write(Write::new().and_fetch(sweep)).await?.rows;
    removed.iter().try_for_each(log_unresolved)?;
    Ok((removed.len() as u64, found.len() < BATCH))
}

/// The numbers of the rows, as JSON.
fn row_numbers(rows: &[SqliteRow]) -> Result<String, StoreError> {
    let numbers = rows.iter().map(|row| row.try_get::<i64, _>(0).map(|number| number.to_string()));
    let numbers = numbers.collect::<Result<Vec<_>, _>>().map_err(store_error)?;
    Ok(format!("[{}]", numbers.join(",")))
}

/// Logs a record that nobody resolved. Nobody has to resolve a lapse under *at least once*.
fn log_unresolved(row: &SqliteRow) -> Result<(), StoreError> {
    let is_unresolved: bool = row.try_get(0).map_err(store_error)?;
    let operation: &str = row.try_get(1).map_err(store_error)?;
    let id: &[u8] = row.try_get(2).map_err(store_error)?;
    if let (true, Ok(hash)) = (is_unresolved, id.try_into()) {
        retention_ended(operation, hash);
    }
    Ok(())
}
