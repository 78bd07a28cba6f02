//! Connections of the store's own, and the settings of their sessions.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

/// From this version on `transaction_timeout` ends transactions that take long.
const TRANSACTION_TIMEOUT_SINCE: u32 = 170_000;

/// A pool of the store's own.
pub(super) fn own_pool(options: PgConnectOptions, connections: u32, timeout: Duration) -> PgPool {
    // A lost connection is noticed by the next query on it, which then takes another one. Testing each
    // connection before its use would double the round trips.
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .test_before_acquire(false)
        .acquire_timeout(timeout)
        .after_connect(move |connection, _| {
            let settings = settings(connection, timeout);
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await.map(drop)
            })
        })
        .connect_lazy_with(options)
}

/// The settings of a session, whatever those of the role or the database are. A plan that was made while the
/// table was empty would read all of a full table. `default_transaction_read_only` stays as it is: it may be
/// how a server is told that it is no longer the primary.
fn settings(connection: &PgConnection, timeout: Duration) -> String {
    let limit = timeout.as_millis().clamp(1, 86_400_000);
    format!(
        "SET search_path = pg_catalog; SET enable_seqscan = off; SET lock_timeout = {limit}; \
         SET statement_timeout = 0; SET idle_session_timeout = 0; \
         SET default_transaction_isolation = 'read committed'{}",
        if knows_transaction_timeout(connection) { "; SET transaction_timeout = 0" } else { "" },
    )
}

/// Whether the server has the setting `transaction_timeout`, and so can be told to ignore it.
pub(crate) fn knows_transaction_timeout(connection: &PgConnection) -> bool {
    connection.server_version_num().is_some_and(|version| version >= TRANSACTION_TIMEOUT_SINCE)
}
