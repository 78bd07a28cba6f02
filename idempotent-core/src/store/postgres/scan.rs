//! Scanning: by id, a part of the table at a time.

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::Shared;
use super::error::store_error;
use super::hex;
use super::link::{Question, Repeat};
use super::look::Found;
use crate::record::RecordId;
use crate::store::{Cursor, Page, Scan, State, StoreError, StoreErrorKind};

/// A page looks at so many records at least, and at this many for each that it may give.
const LOOKS: usize = 5_000;

/// A page gives no more records than this, since each may be as large as the engine's limit.
const MOST: usize = 1_000;

pub(super) async fn scan(store: &Shared, request: &Scan) -> Result<Page, StoreError> {
    let after = request.cursor.as_ref().map_or(Ok(Vec::new()), start)?;
    let limit = request.limit.clamp(1, MOST);
    let looks = LOOKS.max(limit);
    let wants = |state| request.states.is_empty() || request.states.contains(&state);
    let statement = if wants(State::Completed) {
        &store.statements.scan
    } else {
        &store.statements.scan_unfinished
    };
    let question = || {
        Question::new(statement)
            .bind(&after[..])
            .bind(i64::try_from(looks).unwrap_or(i64::MAX))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(request.operation.as_deref())
            .bind(wants(State::Reserved))
            .bind(wants(State::Lapsed))
            .bind(wants(State::Indeterminate))
            .bind(wants(State::Completed))
    };
    page(request, limit, &store.link.ask(question, Repeat::Yes).await?)
}

fn page(request: &Scan, limit: usize, rows: &[PgRow]) -> Result<Page, StoreError> {
    let (mut entries, mut given, mut last) = (Vec::new(), 0, None);
    for row in rows {
        let hash: &[u8] = row.try_get("id").map_err(store_error)?;
        let Some(found) = Found::read_or_nothing(row)? else {
            // More was looked at than was given, unless the page is full.
            if given < limit {
                last = Some(hash);
            }
            break;
        };
        given += 1;
        last = (given == limit).then_some(hash);
        let operation: &str = row.try_get("operation").map_err(store_error)?;
        match (id(operation, hash), found.entry()) {
            (Some(id), Ok(Some(entry))) if request.wants(entry.state, &entry.record) => {
                entries.push((id, entry));
            }
            (Some(_), Ok(_)) => {}
            (Some(_), Err(error)) if error.kind() != StoreErrorKind::Malformed => {
                return Err(error);
            }
            // One such row must not hide all others from who tidies up.
            _ => tracing::warn!(operation, "a scan skips what is no readable record"),
        }
    }
    Ok(Page::new(entries, last.map(|hash| Cursor(hex::encode(hash)))))
}

/// The id that a row tells, if it is one.
pub(super) fn id(operation: &str, hash: &[u8]) -> Option<RecordId> {
    RecordId::from_hash(operation.to_owned(), hash.try_into().ok()?).ok()
}

/// The bytes of a cursor, which is what a page ended with.
fn start(cursor: &Cursor) -> Result<Vec<u8>, StoreError> {
    hex::decode(&cursor.0).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Malformed, "a cursor that no scan of this store gave")
    })
}
