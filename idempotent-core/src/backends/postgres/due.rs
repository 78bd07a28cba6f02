//! Finding the calls that are due, by an index of their times.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connection::Retry;
use super::entry::EntryRow;
use super::error::store_error;
use super::inner::Inner;
use super::query::Query;
use crate::model::RecordId;
use crate::store::{Due, DueCall, StoreError};

/// The most rows that one question reads, whatever its limit.
const MAX_ROWS: usize = 1000;

pub(super) async fn due(store: &Inner, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
    let mut limit = request.limit.clamp(1, MAX_ROWS);
    let mut without = request.without.to_vec();
    loop {
        let query = || {
            let without: Vec<&[u8]> = without.iter().map(|hash| &hash[..]).collect();
            Query::new(&store.statements.due)
                .bind(request.operations)
                .bind(limit as i64)
                .bind(without)
        };
        let deadline = store.connection.deadline();
        let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
        let rows = rows.map_err(store_error)?;
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
fn due_call(row: &PgRow) -> Result<(Option<[u8; 32]>, Option<DueCall>), StoreError> {
    let hash: &[u8] = row.try_get("id").map_err(store_error)?;
    let overdue: i64 = row.try_get("overdue").map_err(store_error)?;
    let Ok(hash) = <[u8; 32]>::try_from(hash) else { return Ok((None, None)) };
    let Ok(Some(entry)) = EntryRow::read(row)?.entry() else { return Ok((Some(hash), None)) };
    let id = RecordId::from_hash(entry.record.operation().to_owned(), hash).ok();
    let overdue = Duration::from_micros(u64::try_from(overdue).unwrap_or_default());
    Ok((Some(hash), id.map(|id| DueCall::new(id, entry, overdue))))
}

pub(super) async fn due_in(store: &Inner, id: &RecordId) -> Result<Option<Duration>, StoreError> {
    let query = || Query::new(&store.statements.due_in).bind(&id.hash()[..]);
    let deadline = store.connection.deadline();
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    let rows = rows.map_err(store_error)?;
    let Some(row) = rows.first() else { return Ok(None) };
    let micros: i64 = row.try_get("due_in").map_err(store_error)?;
    Ok(Some(Duration::from_micros(u64::try_from(micros).unwrap_or_default())))
}
