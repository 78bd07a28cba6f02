//! Beginning a transaction that writes.

use sqlx::{Error, SqlStr, Sqlite, SqlitePool, Transaction};

use crate::backends::shared::sql;

const BEGIN: &str = "BEGIN IMMEDIATE";

/// Begins a transaction that nobody else's write comes in between. If this is dropped halfway, it is rolled back.
pub(crate) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Error> {
    let mut begun = sql::begin(pool, SqlStr::from_static(BEGIN)).await;
    // sqlx counts one already, which somebody has forgotten. It sends nothing then, and ends that one when it cleans up. Each
    // of the pool's connections may be left within one.
    for _ in 0..pool.options().get_max_connections() {
        if !matches!(begun, Err(Error::InvalidSavePointStatement)) {
            break;
        }
        begun = sql::begin(pool, SqlStr::from_static(BEGIN)).await;
    }
    begun
}
