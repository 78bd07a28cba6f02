//! Cursors of scans: the last id that a page looked at.

use crate::backends::shared::hex;
use crate::store::{Cursor, Scan, StoreError, StoreErrorKind};

/// The id after which a scan begins or continues. Before all ids that begin with the same bytes comes what has these
/// bytes alone, so a scan for them begins there, and no more than 31 may be taken of a whole hash.
pub(in crate::backends) fn start(request: &Scan) -> Result<Vec<u8>, StoreError> {
    match (&request.cursor, &request.hash_prefix) {
        (None, Some(prefix)) => {
            let mut bytes = prefix.bytes();
            bytes.truncate(31);
            Ok(bytes)
        }
        (cursor, _) => cursor_id(cursor.as_ref()),
    }
}

/// The cursor that continues a scan after this id, unless no other that is wanted can follow.
pub(in crate::backends) fn next(request: &Scan, id: &[u8]) -> Option<Cursor> {
    let prefix = request.hash_prefix.as_ref();
    prefix.is_none_or(|prefix| prefix.compare(id).is_le()).then(|| cursor_after(id))
}

/// The cursor that continues a scan after this id.
fn cursor_after(id: &[u8]) -> Cursor {
    Cursor(hex::encode(id))
}

/// The id after which a scan continues. Without a cursor it is empty, since no id comes before that.
fn cursor_id(cursor: Option<&Cursor>) -> Result<Vec<u8>, StoreError> {
    let Some(Cursor(cursor)) = cursor else { return Ok(Vec::new()) };
    hex::decode(cursor).filter(|id| !id.is_empty()).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Malformed, "the cursor is not from a scan of this store")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::HashPrefix;

    #[test]
    fn a_cursor_leads_back_to_its_id() {
        let cursor = cursor_after(&[0xA5; 32]);
        assert_eq!(cursor_id(Some(&cursor)).unwrap(), vec![0xA5; 32]);
        assert!(cursor_id(None).unwrap().is_empty());
    }

    #[test]
    fn a_scan_for_the_beginning_of_a_hash_begins_before_it_and_ends_behind_it() {
        let mut hash = [0x5C; 32];
        for digits in ["5", "5c5", "5c5c", &"5c".repeat(32)] {
            let request = Scan::all().hash_prefix(HashPrefix::new(digits).unwrap());
            assert!(start(&request).unwrap()[..] < hash[..], "{digits}");
            assert!(next(&request, &hash).is_some(), "{digits}");
            assert_eq!(next(&request, &[0x60; 32]), None, "{digits}");
        }
        hash[0] = 0x5B;
        let request = Scan::all().hash_prefix(HashPrefix::new("5c5").unwrap());
        assert!(next(&request, &hash).is_some(), "those that are wanted are yet to come");
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "0", "a 0 run 0", &"g".repeat(64), &"a".repeat(63)] {
            let error = cursor_id(Some(&Cursor(cursor.to_owned()))).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Malformed, "{cursor:?}");
        }
    }
}
