//! Beginning a transaction where none is open.

use std::time::Duration;

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
    begin_with(pool, isolation, None).await
}

/// Begins one at the database's default level, each of whose statements the server ends after this time, or sooner if it
/// is set so. Until then a statement that waits for a lock holds those of its transaction, even if nobody waits for it
/// any more.
#[cfg(feature = "consumer")]
pub(crate) async fn begin_limited(
    pool: &PgPool,
    statements: Option<Duration>,
) -> Result<Transaction<'static, Postgres>, Error> {
    begin_with(pool, None, statements).await
}

async fn begin_with(
    pool: &PgPool,
    isolation: Option<Isolation>,
    statements: Option<Duration>,
) -> Result<Transaction<'static, Postgres>, Error> {
    let last = statements.map(limit).unwrap_or_default();
    match sql::begin(pool, statement("", isolation, &last)).await {
        Err(error) if joined(&error) => {
            sql::begin(pool, statement("ROLLBACK; ", isolation, &last)).await
        }
        begun => begun,
    }
}

/// Sets `statement_timeout` for the transaction, unless it is shorter already. Zero is none.
fn limit(statements: Duration) -> String {
    let millis = statements.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "; SELECT pg_catalog.set_config('statement_timeout', '{millis}', true) \
         WHERE pg_catalog.current_setting('statement_timeout')::pg_catalog.interval \
         NOT BETWEEN '1 millisecond' AND '{millis} milliseconds'"
    )
}

fn statement(first: &str, isolation: Option<Isolation>, last: &str) -> SqlStr {
    let level = match isolation {
        None => "",
        Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
        Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
        Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
    };
    AssertSqlSafe(format!("{first}BEGIN{level}; {BEGUN_HERE}{last}")).into_sql_str()
}

/// Whether a `BEGIN` met an open transaction: its check says so, the level came too late for it (25001), or sqlx still counts
/// one of which somebody has forgotten a part. sqlx then sends nothing, and its own clean-up ends that part.
fn joined(error: &Error) -> bool {
    if matches!(error, Error::InvalidSavePointStatement) {
        return true;
    }
    let code = error.as_database_error().and_then(DatabaseError::code);
    is_in_transaction(error) || code.as_deref() == Some("25001")
}
