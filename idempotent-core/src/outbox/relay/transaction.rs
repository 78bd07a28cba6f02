//! The transaction of a batch, and its connection.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{AssertSqlSafe, raw_sql};

use super::options::Options;
use crate::backends::postgres::{BEGUN_HERE, ConnectionPool, knows_transaction_timeout};
use crate::outbox::OutboxError;

/// An error if the server itself is set to refuse writes, which is how some are told that they are no longer the
/// primary: `invalid input syntax for type boolean: "set to read only …"`. Such a setting of a role or of the
/// database is not meant for relays.
const ACCEPTS_WRITES: &str = "SELECT CASE \
     WHEN current_setting('default_transaction_read_only') = 'off' THEN true \
     WHEN EXISTS (SELECT FROM pg_db_role_setting, unnest(setconfig) AS setting \
                  WHERE setting LIKE 'default_transaction_read_only=%') THEN true \
     ELSE ('set to read only, backend ' || pg_backend_pid())::boolean END";

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
    /// Begins with settings of its own, where no transaction is open.
    pub(super) async fn begin(
        pool: &ConnectionPool,
        options: &Options,
    ) -> Result<Self, OutboxError> {
        let mut transaction = Self { connection: pool.acquire().await?, is_ended: false };
        let begin = begin_text(&transaction.connection, options);
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

/// The settings that the role or the database may have otherwise: at another isolation level than `READ
/// COMMITTED` a relay delivers again what another one has just delivered; a timeout of the server may end the
/// transaction while its messages are being published. The database ends the transaction of a relay that sends
/// nothing for longer than publishing can take, which frees its keys.
///
/// Plans are usually made while the table is empty, and kept for when it is full: none may read all of it. The
/// checks come before that: a plan that must read all of a table is expensive enough to be compiled, which takes
/// some hundred milliseconds.
fn begin_text(connection: &PgConnection, options: &Options) -> String {
    let millis = |time: Duration| time.as_millis().min(i32::MAX as u128).max(1);
    let limit = millis(options.response_timeout);
    let idle = millis(options.idle_timeout());
    let transaction_timeout = if knows_transaction_timeout(connection) {
        "SET LOCAL transaction_timeout = 0; "
    } else {
        ""
    };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {transaction_timeout}\
         SET LOCAL statement_timeout = {limit}; SET LOCAL lock_timeout = {limit}; \
         SET LOCAL idle_in_transaction_session_timeout = {idle}; \
         SET LOCAL search_path = pg_catalog; {BEGUN_HERE}; {ACCEPTS_WRITES}; \
         SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off"
    )
}

impl Drop for KeyTransaction {
    fn drop(&mut self) {
        if !self.is_ended {
            self.connection.close_on_drop();
        }
    }
}
