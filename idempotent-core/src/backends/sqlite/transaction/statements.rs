//! The statements of calls in transactions, with the names of one store's tables.

use sqlx::SqlStr;

use crate::backends::shared::sql::{savepoint, statement};
use crate::backends::sqlite::table_names::TableNames;
use crate::store::TransactionContext;

/// The statements of calls in transactions, for the tables of one store.
#[derive(Debug)]
pub(in crate::backends::sqlite) struct TransactionStatements {
    reserve: SqlStr,
    load: SqlStr,
    complete: AfterSavepoint,
    release: AfterSavepoint,
}

impl TransactionStatements {
    pub(in crate::backends::sqlite) fn new(names: &TableNames) -> Self {
        let of = |sql| names.statement(sql);
        Self {
            reserve: of(include_str!("../sql/transaction_reserve.sql")),
            load: of(include_str!("../sql/transaction_load.sql")),
            complete: AfterSavepoint::new(of(include_str!("../sql/transaction_complete.sql"))),
            release: AfterSavepoint::new(of(include_str!("../sql/transaction_release.sql"))),
        }
    }

    pub(super) const fn reserve(&self) -> &SqlStr {
        &self.reserve
    }

    pub(super) const fn load(&self) -> &SqlStr {
        &self.load
    }

    pub(super) fn complete(&self, context: &TransactionContext<'_>) -> SqlStr {
        self.complete.of(context)
    }

    pub(super) fn release(&self, context: &TransactionContext<'_>) -> SqlStr {
        self.release.of(context)
    }
}

/// A statement that first releases the call's savepoint, in one round trip to the connection's thread.
#[derive(Debug)]
struct AfterSavepoint {
    statement: SqlStr,
    /// For calls that are not nested.
    outermost: SqlStr,
}

impl AfterSavepoint {
    fn new(statement: SqlStr) -> Self {
        let outermost = after_savepoint("idempotent_1", &statement);
        Self { statement, outermost }
    }

    fn of(&self, context: &TransactionContext<'_>) -> SqlStr {
        match context.depth {
            1 => self.outermost.clone(),
            _ => after_savepoint(&savepoint(context), &self.statement),
        }
    }
}

fn after_savepoint(savepoint: &str, after: &SqlStr) -> SqlStr {
    statement(format!("RELEASE SAVEPOINT {savepoint};\n{}", after.as_str()))
}
