//! The statements of calls in transactions, with the names of one store's tables.

use sqlx::SqlStr;

use crate::backends::sqlite::table_names::TableNames;

/// The statements of calls in transactions, for the tables of one store.
#[derive(Debug)]
pub(in crate::backends::sqlite) struct TransactionStatements {
    reserve: SqlStr,
    load: SqlStr,
    complete: SqlStr,
    release: SqlStr,
}

impl TransactionStatements {
    pub(in crate::backends::sqlite) fn new(names: &TableNames) -> Self {
        let of = |sql| names.statement(sql);
        Self {
            reserve: of(include_str!("../sql/transaction_reserve.sql")),
            load: of(include_str!("../sql/transaction_load.sql")),
            complete: of(include_str!("../sql/transaction_complete.sql")),
            release: of(include_str!("../sql/transaction_release.sql")),
        }
    }

    pub(super) const fn reserve(&self) -> &SqlStr {
        &self.reserve
    }

    pub(super) const fn load(&self) -> &SqlStr {
        &self.load
    }

    pub(super) const fn complete(&self) -> &SqlStr {
        &self.complete
    }

    pub(super) const fn release(&self) -> &SqlStr {
        &self.release
    }
}
