//! Correcting: one statement, which also tells those who keep copies.

use sqlx::Row;
use tokio::time::Instant;

use super::connection::Retry;
use super::error::{store_error, unexpected};
use super::inner::Inner;
use super::query::Query;
use crate::backends::shared::durations::ceil_micros;
use crate::store::{Correct, CorrectOutcome, StoreError};

pub(super) async fn correct(
    store: &Inner,
    request: &Correct<'_>,
    deadline: Instant,
) -> Result<CorrectOutcome, StoreError> {
    let query = || {
        Query::new(&store.statements.correct)
            .bind(&request.id.hash()[..])
            .bind(request.seen.as_bytes())
            .bind(request.record.as_bytes())
            .bind(ceil_micros(request.ttl))
            .bind(store.channel())
    };
    let rows =
        store.connection.fetch_until(query, Retry::Yes, deadline).await.map_err(store_error)?;
    let row = rows.first().ok_or_else(|| store_error(unexpected("a correction without a row")))?;
    match row.try_get("done").map_err(store_error)? {
        true => Ok(CorrectOutcome::Corrected),
        false => Ok(CorrectOutcome::Changed),
    }
}
