//! Cursors of scans: the last id that a page looked at.

use crate::backends::shared::hex;
use crate::store::{Cursor, StoreError, StoreErrorKind};

/// The cursor that continues a scan after this id.
pub(in crate::backends) fn cursor_after(id: &[u8]) -> Cursor {
    Cursor(hex::encode(id))
}

/// The id after which a scan continues. Without a cursor it is empty, since no id comes before that.
pub(in crate::backends) fn cursor_id(cursor: Option<&Cursor>) -> Result<Vec<u8>, StoreError> {
    let Some(Cursor(cursor)) = cursor else { return Ok(Vec::new()) };
    hex::decode(cursor).filter(|id| !id.is_empty()).ok_or_else(|| {
        StoreError::new(StoreErrorKind::Malformed, "the cursor is not from a scan of this store")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_id() {
        let cursor = cursor_after(&[0xA5; 32]);
        assert_eq!(cursor_id(Some(&cursor)).unwrap(), vec![0xA5; 32]);
        assert!(cursor_id(None).unwrap().is_empty());
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "0", "a 0 run 0", &"g".repeat(64), &"a".repeat(63)] {
            let error = cursor_id(Some(&Cursor(cursor.to_owned()))).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Malformed, "{cursor:?}");
        }
    }
}
