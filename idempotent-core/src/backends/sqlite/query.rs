//! A statement with its arguments.

use sqlx::query::Query as SqlxQuery;
use sqlx::sqlite::SqliteArguments;
use sqlx::{SqlStr, Sqlite};

/// A statement with its arguments.
pub(super) type Query = SqlxQuery<'static, Sqlite, SqliteArguments>;

/// A query without its arguments yet.
pub(super) fn query(statement: &SqlStr) -> Query {
    sqlx::query(statement.clone())
}
