//! Beginning a transaction where none is open.

use sqlx::{AssertSqlSafe, Error, PgPool, Postgres, SqlSafeStr, SqlStr, Transaction};

use crate::backends::postgres::autocommit::BEGUN_HERE;
use crate::backends::postgres::error::is_in_transaction;
use crate::backends::shared::sql;

/// The isolation level of a transaction that is to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// Begins a transaction at a level, or at the database's default one.
///
/// The connection may be within a transaction that somebody left open. `BEGIN` would then join it, so a check
/// in the same message makes that an error. Such a connection is closed, and another one is taken.
pub(super) async fn begin(
    pool: &PgPool,
    isolation: Option<Isolation>,
) -> Result<Transaction<'static, Postgres>, Error> {
    let statement = statement(isolation);
    let mut others = pool.options().get_max_connections();
    loop {
        match sql::begin(pool, statement.clone()).await {
            Err(error) if is_in_transaction(&error) && others > 0 => others -= 1,
            begun => return begun,
        }
    }
}

fn statement(isolation: Option<Isolation>) -> SqlStr {
    let level = match isolation {
        None => "",
        Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
        Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
        Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
    };
    AssertSqlSafe(format!("BEGIN{level}; {BEGUN_HERE}")).into_sql_str()
}
