//! The transaction of a batch, and its connection.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::outbox::OutboxError;

/// A transaction whose locks are the keys of a batch.
///
/// Once it has [ended](Self::end), its connection goes back to the pool. Otherwise the connection is closed,
/// since nobody knows what is still running on it; that also frees the keys.
pub(super) struct KeyTransaction {
    pub(super) connection: PoolConnection<Postgres>,
    is_ended: bool,
}

/// How a transaction ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    Commit,
    Rollback,
}

impl KeyTransaction {
    /// Begins at `READ COMMITTED`, whatever the database's default is. The database ends the transaction of a
    /// relay that sends nothing for `idle_timeout`, which frees its keys.
    ///
    /// Plans are usually made while the table is empty, and kept for when it is full: none may read all of it.
    pub(super) async fn begin(pool: &PgPool, idle_timeout: Duration) -> Result<Self, OutboxError> {
        let mut transaction = Self { connection: pool.acquire().await?, is_ended: false };
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            idle_timeout.as_millis().min(i32::MAX as u128),
        );
        raw_sql(AssertSqlSafe(begin)).execute(&mut *transaction.connection).await?;
        Ok(transaction)
    }

    pub(super) async fn end(mut self, how: End) -> Result<(), OutboxError> {
        let statement = match how {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        };
        raw_sql(statement).execute(&mut *self.connection).await?;
        self.is_ended = true;
        Ok(())
    }
}

impl Drop for KeyTransaction {
    fn drop(&mut self) {
        if !self.is_ended {
            self.connection.close_on_drop();
        }
    }
}
