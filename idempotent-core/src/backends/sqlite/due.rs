//! Finding the calls that are due, by an index of their times.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::entry::{Found, read};
use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use crate::backends::shared::hex;
use crate::model::RecordId;
use crate::store::{Due, DueCall, StoreError};

/// The most rows that one question reads, whatever its limit.
const MAX_ROWS: usize = 1000;

pub(super) async fn due(store: &Inner, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
    // Names of operations contain nothing that JSON escapes but quotes and backslashes.
    let quoted = |name: &&str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let names: Vec<String> = request.operations.iter().map(quoted).collect();
    let operations = format!("[{}]", names.join(","));
    let mut limit = request.limit.clamp(1, MAX_ROWS);
    let mut without = request.without.to_vec();
    loop {
        let hashes: Vec<String> =
            without.iter().map(|hash| format!("\"{}\"", hex::encode(hash))).collect();
        let query = query(&store.statements.due)
            .bind(operations.as_str())
            .bind(limit as i64)
            .bind(format!("[{}]", hashes.join(",")));
        let rows = store.connection.read(query).await?;
        let (mut due, known) = (Vec::new(), without.len());
        for row in &rows {
            match due_call(row)? {
                (_, Some(call)) => due.push(call),
                (hash, None) => without.extend(hash),
            }
        }
        // What cannot be read must not hide the others: a scan shows it.
        if !due.is_empty() || rows.len() < limit || without.len() == known {
            due.truncate(request.limit);
            return Ok(due);
        }
        limit = MAX_ROWS;
    }
}

/// The hash of its id, and the call if it can be read.
fn due_call(row: &SqliteRow) -> Result<(Option<[u8; 32]>, Option<DueCall>), StoreError> {
    let hash: &[u8] = row.try_get(4).map_err(store_error)?;
    let overdue: i64 = row.try_get(6).map_err(store_error)?;
    let Ok(hash) = <[u8; 32]>::try_from(hash) else { return Ok((None, None)) };
    let entry = read(row).ok().and_then(Found::entry);
    let Some(entry) = entry else { return Ok((Some(hash), None)) };
    let id = RecordId::from_hash(entry.record.operation().to_owned(), hash).ok();
    let overdue = Duration::from_millis(u64::try_from(overdue).unwrap_or_default());
    Ok((Some(hash), id.map(|id| DueCall::new(id, entry, overdue))))
}

pub(super) async fn due_in(store: &Inner, id: &RecordId) -> Result<Option<Duration>, StoreError> {
    let query = query(&store.statements.due_in).bind(&id.hash()[..]);
    let rows = store.connection.read(query).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let millis: i64 = row.try_get(0).map_err(store_error)?;
    Ok(Some(Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
}
