//! The transaction of a turn, and the connection it is on.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, Postgres};
use sqlx::{AssertSqlSafe, raw_sql};

use crate::outbox::OutboxError;

/// A transaction that holds keys.
///
/// Its connection goes back to the pool when the transaction has [ended](Self::end). Otherwise it is
/// closed, which frees the keys: nobody knows in the middle of what it was left.
pub(super) struct Held {
    pub(super) connection: PoolConnection<Postgres>,
    ended: bool,
}

/// How a transaction ends.
#[derive(Clone, Copy)]
pub(super) enum End {
    Commit,
    Rollback,
}

impl Held {
    /// Each statement sees what was committed before it, whatever the database's default is; and a relay
    /// that is not heard of for so long is cut off, which frees its keys.
    ///
    /// Plans are made while the table is empty, as a rule, and kept for when it is not: none may read all
    /// of it.
    pub(super) async fn begin(pool: &PgPool, silence: Duration) -> Result<Self, OutboxError> {
        let mut held = Self { connection: pool.acquire().await?, ended: false };
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
             SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
             SET LOCAL idle_in_transaction_session_timeout = {}",
            silence.as_millis().min(i32::MAX as u128),
        );
        raw_sql(AssertSqlSafe(begin)).execute(&mut *held.connection).await?;
        Ok(held)
    }

    pub(super) async fn end(mut self, how: End) -> Result<(), OutboxError> {
        let statement = match how {
            End::Commit => "COMMIT",
            End::Rollback => "ROLLBACK",
        };
        raw_sql(statement).execute(&mut *self.connection).await?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.close_on_drop();
        }
    }
}
