//! Beginning a transaction where none is open.

use sqlx::error::DatabaseError;
use sqlx::{AssertSqlSafe, Error, PgPool, Postgres, SqlSafeStr, SqlStr, Transaction};

use crate::backends::postgres::autocommit::BEGUN_HERE;
use crate::backends::postgres::error::is_in_transaction;
use crate::backends::shared::sql;

/// The isolation level of a transaction that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// Begins a transaction at a level, or at the database's default one.
///
/// The connection may be within a transaction that somebody left open. `BEGIN` would then join it, so a check
/// in the same message makes that an error, which also aborts the open transaction: nobody can commit it any
/// more. The second try first rolls back what it finds on its connection.
pub(crate) async fn begin(
    pool: &PgPool,
    isolation: Option<Isolation>,
) -> Result<Transaction<'static, Postgres>, Error> {
    match sql::begin(pool, statement("", isolation)).await {
        Err(error) if joined(&error) => sql::begin(pool, statement("ROLLBACK; ", isolation)).await,
        begun => begun,
    }
}

fn statement(first: &str, isolation: Option<Isolation>) -> SqlStr {
    let level = match isolation {
        None => "",
        Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
        Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
        Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
    };
    AssertSqlSafe(format!("{first}BEGIN{level}; {BEGUN_HERE}")).into_sql_str()
}

/// Whether a `BEGIN` met an open transaction: its check says so, or the level came too late for it (25001).
fn joined(error: &Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    is_in_transaction(error) || code.as_deref() == Some("25001")
}
