//! Scanning: pages of records, in the order of their ids.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::connection::Retry;
use super::entry::EntryRow;
use super::error::store_error;
use super::inner::Inner;
use super::query::Query;
use crate::backends::shared::sql::{next, start};
use crate::model::RecordId;
use crate::store::{Page, Scan, State, StoreError, StoreErrorKind, Unreadable};

/// How many rows a page with a filter reads at most, if its limit is not higher.
const MAX_ROWS: usize = 5_000;

/// The most records of a page, since each may be as large as the engine's limit.
const MAX_RECORDS: usize = 1_000;

pub(super) async fn scan(store: &Inner, request: &Scan) -> Result<Page, StoreError> {
    let after = start(request)?;
    let limit = request.limit.clamp(1, MAX_RECORDS);
    let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
    if request.operation.is_none() && request.states.is_empty() {
        let query = || Query::new(&store.statements.scan_all).bind(&after[..]).bind(count(limit));
        return page(request, limit, &store.connection.fetch(query, Retry::Yes).await?);
    }
    let wants = |state| request.states.is_empty() || request.states.contains(&state);
    let statement = if wants(State::Completed) {
        &store.statements.scan
    } else {
        &store.statements.scan_unfinished
    };
    let query = || {
        let query = Query::new(statement)
            .bind(&after[..])
            .bind(count(MAX_ROWS.max(limit)))
            .bind(count(limit))
            .bind(request.operation.as_deref())
            .bind(wants(State::Reserved))
            .bind(wants(State::Lapsed))
            // Which of the two it is, its record says.
            .bind(wants(State::Indeterminate) || wants(State::Suspended))
            .bind(wants(State::Completed));
        // What is completed has no steps.
        if wants(State::Completed) { query } else { query.bind(request.in_doubt) }
    };
    page(request, limit, &store.connection.fetch(query, Retry::Yes).await?)
}

fn page(request: &Scan, limit: usize, rows: &[PgRow]) -> Result<Page, StoreError> {
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    let (mut records, mut last) = (0, None);
    for row in rows {
        let hash: &[u8] = row.try_get("id").map_err(store_error)?;
        let Some(entry_row) = EntryRow::read_optional(row)? else {
            // The last row that was read. It is not needed if the page is full.
            if records < limit {
                last = Some(hash);
            }
            break;
        };
        records += 1;
        last = (records == limit).then_some(hash);
        let operation: &str = row.try_get("operation").map_err(store_error)?;
        match (record_id(operation, hash), entry_row.entry()) {
            (Some(id), Ok(Some(entry))) if request.wants(entry.state, &entry.record) => {
                entries.push((id, entry));
            }
            (Some(_), Ok(_)) => {}
            (Some(_), Err(error)) if error.kind() != StoreErrorKind::Malformed => {
                return Err(error);
            }
            // One such row must not hide all the others from an operator.
            (id, entry) => {
                let invalid = "its id, or the name of its operation, is invalid";
                let found = Unreadable::row(Some(operation), hash, invalid);
                unreadable.push(match (id, entry) {
                    (Some(_), Err(error)) => found.because_of(&error),
                    _ => found,
                });
            }
        }
    }
    Ok(Page::new(entries, last.and_then(|last| next(request, last))).with_unreadable(unreadable))
}

/// The id of a row, if it is valid.
fn record_id(operation: &str, hash: &[u8]) -> Option<RecordId> {
    RecordId::from_hash(operation.to_owned(), hash.try_into().ok()?).ok()
}
