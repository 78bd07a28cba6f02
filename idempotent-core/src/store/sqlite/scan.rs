//! Paging through the records, in the order of their ids. The cursor is the last id that was looked
//! at, so what comes and goes meanwhile moves nothing.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Shared;
use super::error::store_error;
use super::link::ask;
use super::look::{Found, found};
use crate::record::RecordId;
use crate::store::{Cursor, Entry, Page, Scan, State, StoreError, StoreErrorKind};

/// The most rows that one page looks at, however many the caller wants.
const MOST: usize = 1000;

pub(super) async fn scan(store: &Shared, request: &Scan) -> Result<Page, StoreError> {
    let after = after(request.cursor.as_ref())?;
    let limit = request.limit.clamp(1, MOST);
    let statement = if wants_completed(request) {
        &store.statements.scan
    } else {
        &store.statements.scan_unfinished
    };
    let question = ask(statement).bind(after).bind(limit as i64).bind(request.operation.clone());
    let rows = store.link.read(question).await?;
    let mut entries = Vec::new();
    for row in &rows {
        entries.extend(wanted(request, row)?);
    }
    let next = match rows.last() {
        Some(last) if rows.len() == limit => Some(Cursor(hex(id(last)?))),
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
    let hash = id(row)?;
    let entry = match found(row) {
        Ok(Found::Standing(entry)) if request.wants(entry.state, &entry.record) => entry,
        Ok(_) => return Ok(None),
        // One such row must not hide all others from who tidies up.
        Err(error) if error.kind() == StoreErrorKind::Malformed => {
            tracing::warn!(hash = hex(hash), "a scan skips what is no readable record");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let id = RecordId::from_hash(entry.record.operation().to_owned(), hash);
    Ok(id.ok().map(|id| (id, entry)))
}

fn id(row: &SqliteRow) -> Result<[u8; 32], StoreError> {
    let bytes: &[u8] = row.try_get(4).map_err(store_error)?;
    bytes.try_into().map_err(|_| {
        StoreError::new(StoreErrorKind::Malformed, "the table holds an id that is none")
    })
}

fn hex(hash: [u8; 32]) -> String {
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

/// The id that a cursor tells; nothing comes before the empty one.
fn after(cursor: Option<&Cursor>) -> Result<Vec<u8>, StoreError> {
    let Some(Cursor(cursor)) = cursor else { return Ok(Vec::new()) };
    blake3::Hash::from_hex(cursor).map(|hash| hash.as_bytes().to_vec()).map_err(|_| {
        StoreError::new(StoreErrorKind::Malformed, "a cursor that no scan of this store gave")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let cursor = Cursor(hex([0xA5; 32]));
        assert_eq!(after(Some(&cursor)).unwrap(), vec![0xA5; 32]);
        assert!(after(None).unwrap().is_empty());
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "0", "a 0 run 0", &"g".repeat(64), &"a".repeat(63)] {
            let error = after(Some(&Cursor(cursor.to_owned()))).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Malformed, "{cursor:?}");
        }
    }
}
