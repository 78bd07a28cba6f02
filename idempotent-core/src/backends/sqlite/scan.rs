//! Scanning: pages of records, in the order of their ids. The cursor is the last id that a page read, so
//! records that come and go between two pages do not matter.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::entry::{Found, read};
use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use crate::backends::shared::sql::{next, start};
use crate::model::RecordId;
use crate::store::{Entry, Page, Scan, State, StoreError, StoreErrorKind, Unreadable};

/// The most rows that a page reads, whatever its limit.
const MAX_ROWS: usize = 1000;

pub(super) async fn scan(store: &Inner, request: &Scan) -> Result<Page, StoreError> {
    let after = start(request)?;
    let limit = request.limit.clamp(1, MAX_ROWS);
    let of =
        |statement| query(statement).bind(after).bind(limit as i64).bind(request.operation.clone());
    let query = match wants_completed(request) {
        true => of(&store.statements.scan),
        false => of(&store.statements.scan_unfinished).bind(request.in_doubt),
    };
    let rows = store.connection.read(query).await?;
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    for row in &rows {
        match looked_at(row)? {
            Looked::Entry(id, entry) if request.wants(entry.state, &entry.record) => {
                entries.push((id, entry));
            }
            Looked::Unreadable(found) => unreadable.push(found),
            Looked::Entry(..) | Looked::Nothing => {}
        }
    }
    let cursor = match rows.last() {
        Some(last) if rows.len() == limit => next(request, id(last)?),
        _ => None,
    };
    Ok(Page::new(entries, cursor).with_unreadable(unreadable))
}

fn wants_completed(request: &Scan) -> bool {
    request.states.is_empty() || request.states.contains(&State::Completed)
}

/// What a row is.
enum Looked {
    /// Of another operation, or expired.
    Nothing,
    Entry(RecordId, Entry),
    Unreadable(Unreadable),
}

fn looked_at(row: &SqliteRow) -> Result<Looked, StoreError> {
    let record: Option<&[u8]> = row.try_get(0).map_err(store_error)?;
    if record.is_none() {
        return Ok(Looked::Nothing);
    }
    let (id, operation): (_, &str) = (id(row)?, row.try_get(5).map_err(store_error)?);
    let unreadable = |reason: &(dyn std::error::Error + 'static)| {
        let found = Unreadable::row(Some(operation), id, "").because_of(reason);
        Ok(Looked::Unreadable(found))
    };
    let entry = match read(row) {
        Ok(Found::Entry(entry)) => entry,
        Ok(_) => return Ok(Looked::Nothing),
        // One such row must not hide all the others from an operator.
        Err(error) if error.kind() == StoreErrorKind::Malformed => {
            return unreadable(&error);
        }
        Err(error) => return Err(error),
    };
    let Ok(hash) = id.try_into() else {
        let found = Unreadable::row(Some(operation), id, "its id is not 32 bytes long");
        return Ok(Looked::Unreadable(found));
    };
    match RecordId::from_hash(entry.record.operation().to_owned(), hash) {
        Ok(id) => Ok(Looked::Entry(id, entry)),
        Err(error) => unreadable(&error),
    }
}

fn id(row: &SqliteRow) -> Result<&[u8], StoreError> {
    row.try_get(4).map_err(store_error)
}
