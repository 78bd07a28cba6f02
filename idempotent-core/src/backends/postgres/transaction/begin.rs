//! Beginning a transaction where none is open.

#[cfg(feature = "consumer")]
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
/// more. Each further try first rolls back what it finds on its connection.
pub(crate) async fn begin(
    pool: &PgPool,
    isolation: Option<Isolation>,
) -> Result<Transaction<'static, Postgres>, Error> {
    begin_with(pool, isolation, "").await
}

/// Begins one at the database's default level, each of whose statements the server ends after the first time, and all of it
/// once its client has sent nothing for the second; or sooner if it is set so. Until then it would hold its locks, even if
/// nobody waits for it any more.
#[cfg(feature = "consumer")]
pub(crate) async fn begin_limited(
    pool: &PgPool,
    statements: Option<Duration>,
    idle: Option<Duration>,
) -> Result<Transaction<'static, Postgres>, Error> {
    let mut last = String::new();
    for (setting, limit) in
        [("statement_timeout", statements), ("idle_in_transaction_session_timeout", idle)]
    {
        last.extend(limit.map(|limit| limited(setting, limit)));
    }
    begin_with(pool, None, &last).await
}

async fn begin_with(
    pool: &PgPool,
    isolation: Option<Isolation>,
    last: &str,
) -> Result<Transaction<'static, Postgres>, Error> {
    let mut begun = sql::begin(pool, statement("", isolation, last)).await;
    // Each of the pool's connections may be left within one.
    for _ in 0..pool.options().get_max_connections() {
        match begun {
            Err(error) if joined(&error) => {}
            begun => return begun,
        }
        begun = sql::begin(pool, statement("ROLLBACK; ", isolation, last)).await;
    }
    begun
}

/// Sets a timeout for the transaction, unless it is shorter already. Zero is none.
#[cfg(feature = "consumer")]
fn limited(setting: &str, limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "; SELECT pg_catalog.set_config('{setting}', '{millis}', true) \
         WHERE pg_catalog.current_setting('{setting}')::pg_catalog.interval \
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
