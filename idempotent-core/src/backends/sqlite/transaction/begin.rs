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

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    #[tokio::test]
    async fn a_transaction_begins_on_the_only_connection_although_one_was_forgotten_there() {
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect("sqlite::memory:").await.expect("one in memory");
        let mut tx = begin(&pool).await.expect("none is left yet");
        std::mem::forget(tx.begin().await.expect("a nested one"));
        tx.rollback().await.expect("the nested one is rolled back");
        let begun = begin(&pool).await.expect("the one that is left ends");
        begun.commit().await.expect("it has begun");
    }
}
