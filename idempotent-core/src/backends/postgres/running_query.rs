//! A query on the connection that it took. A caller has only so much patience with it; the query itself is read
//! to its end.
//!
//! A connection is of no use while an answer is on its way to it. To close it then would cost the server another
//! one when it has the least time for that: at a server that is briefly too slow for its callers, every call
//! would open a connection, find no time left to use it, and close it, for as long as calls keep coming.

use std::future::Future;
use std::pin::Pin;

use sqlx::postgres::PgRow;
use sqlx::{Connection as _, Error};

use super::connection_cache::CachedConnection;
use super::query::Query;

/// A query's answer, and the connection that it came over.
pub(super) type Answer = (CachedConnection, Result<Vec<PgRow>, Error>);

/// Runs a query. If the future is dropped, its connection is closed.
pub(super) fn run(
    mut acquired: CachedConnection,
    query: Query,
) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    Box::pin(async move {
        let awaits_abort = query.awaits_abort;
        let answer = match acquired.connection() {
            Ok(connection) => match query.fetch_all(connection).await {
                Err(error @ Error::Database(_)) if awaits_abort => {
                    // Answered once the server is ready for more. If that fails, the next query finds out.
                    let _ = connection.ping().await;
                    Err(error)
                }
                answer => answer,
            },
            Err(error) => Err(error),
        };
        (acquired, answer)
    })
}
