//! Beginning a transaction that writes.

use sqlx::{Error, SqlStr, Sqlite, SqlitePool, Transaction};

use crate::backends::shared::sql;

/// Begins a transaction that nobody else's write comes in between. If this is dropped halfway, it is rolled back.
pub(crate) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    sql::begin(pool, SqlStr::from_static("BEGIN IMMEDIATE")).await
}
