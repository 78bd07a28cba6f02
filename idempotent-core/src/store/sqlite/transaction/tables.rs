//! The statements of calls within transactions, under the names of one store's tables.

use sqlx::SqlStr;

use super::super::names::Names;

/// What a transaction needs to know of a store to keep records in its tables.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Tables {
    reserve: SqlStr,
    look: SqlStr,
    complete: SqlStr,
    release: SqlStr,
}

impl Tables {
    pub(in crate::store::sqlite) fn new(names: &Names) -> Self {
        let of = |sql| names.statement(sql);
        Self {
            reserve: of(include_str!("../sql/within_reserve.sql")),
            look: of(include_str!("../sql/within_look.sql")),
            complete: of(include_str!("../sql/within_complete.sql")),
            release: of(include_str!("../sql/within_release.sql")),
        }
    }

    pub(super) const fn reserve(&self) -> &SqlStr {
        &self.reserve
    }

    pub(super) const fn look(&self) -> &SqlStr {
        &self.look
    }

    pub(super) const fn complete(&self) -> &SqlStr {
        &self.complete
    }

    pub(super) const fn release(&self) -> &SqlStr {
        &self.release
    }
}
