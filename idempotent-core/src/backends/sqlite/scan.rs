//! Scanning: pages of records, in the order of their ids. The cursor is the last id that a page read, so
//! records that come and go between two pages do not matter.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::entry::{Found, read};
use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use crate::backends::shared::hex;
use crate::backends::shared::sql::{cursor_after, cursor_id};
use crate::model::RecordId;
use crate::store::{Entry, Page, Scan, State, StoreError, StoreErrorKind};

/// The most rows that a page reads, whatever its limit.
const MAX_ROWS: usize = 1000;

pub(super) async fn scan(store: &Inner, request: &Scan) -> Result<Page, StoreError> {
    let after = cursor_id(request.cursor.as_ref())?;
    let limit = request.limit.clamp(1, MAX_ROWS);
    let statement = if wants_completed(request) {
        &store.statements.scan
    } else {
        &store.statements.scan_unfinished
    };
    let query = query(statement).bind(after).bind(limit as i64).bind(request.operation.clone());
    let rows = store.connection.read(query).await?;
    let mut entries = Vec::new();
    for row in &rows {
        entries.extend(wanted(request, row)?);
    }
    let next = match rows.last() {
        Some(last) if rows.len() == limit => Some(cursor_after(&hash(last)?)),
        _ => None,
    };
    Ok(Page::new(entries, next))
}

fn wants_completed(request: &Scan) -> bool {
    request.states.is_empty() || request.states.contains(&State::Completed)
}

fn wanted(request: &Scan, row: &SqliteRow) -> Result<Option<(RecordId, Entry)>, StoreError> {
    let record: Option<&[u8]> = row.try_get(0).map_err(store_error)?;
    if record.is_none() {
        return Ok(None);
    }
    let hash = hash(row)?;
    let entry = match read(row) {
        Ok(Found::Entry(entry)) if request.wants(entry.state, &entry.record) => entry,
        Ok(_) => return Ok(None),
        // One such row must not hide all the others from an operator.
        Err(error) if error.kind() == StoreErrorKind::Malformed => {
            let hash = hex::encode(&hash);
            tracing::warn!(hash, "a scan skipped a row that is not a readable record");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let id = RecordId::from_hash(entry.record.operation().to_owned(), hash);
    Ok(id.ok().map(|id| (id, entry)))
}

fn hash(row: &SqliteRow) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get(4).map_err(store_error)?;
    bytes
        .try_into()
        .map_err(|_| StoreError::new(StoreErrorKind::Malformed, "the table contains an invalid id"))
}
