//! Finding the calls that are due, by an index of their times.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::entry::read;
use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use crate::model::RecordId;
use crate::store::{Due, DueCall, StoreError};

/// The most rows that one question reads, whatever its limit.
const MAX_ROWS: usize = 1000;

pub(super) async fn due(store: &Inner, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
    // Names of operations contain nothing that JSON escapes but quotes and backslashes.
    let quoted = |name: &&str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let names: Vec<String> = request.operations.iter().map(quoted).collect();
    let query = query(&store.statements.due)
        .bind(format!("[{}]", names.join(",")))
        .bind(request.limit.clamp(1, MAX_ROWS) as i64);
    let rows = store.connection.read(query).await?;
    rows.iter().filter_map(|row| due_call(row).transpose()).collect()
}

/// `None` if it cannot be read: a scan shows it, and it must not hide the others.
fn due_call(row: &SqliteRow) -> Result<Option<DueCall>, StoreError> {
    let hash: &[u8] = row.try_get(4).map_err(store_error)?;
    let overdue: i64 = row.try_get(6).map_err(store_error)?;
    let Ok(found) = read(row) else { return Ok(None) };
    let (Some(entry), Ok(hash)) = (found.entry(), hash.try_into()) else { return Ok(None) };
    let id = RecordId::from_hash(entry.record.operation().to_owned(), hash).ok();
    let overdue = Duration::from_millis(u64::try_from(overdue).unwrap_or_default());
    Ok(id.map(|id| DueCall::new(id, entry, overdue)))
}

pub(super) async fn due_in(store: &Inner, id: &RecordId) -> Result<Option<Duration>, StoreError> {
    let query = query(&store.statements.due_in).bind(&id.hash()[..]);
    let rows = store.connection.read(query).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let millis: i64 = row.try_get(0).map_err(store_error)?;
    Ok(Some(Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
}
