//! Releasing and purging: both make an id vacant.

use sqlx::Row;
use tokio::time::Instant;

use super::connection::Retry;
use super::error::{store_error, unexpected};
use super::inner::Inner;
use super::query::{Purpose, Query};
use crate::model::RecordId;
use crate::store::{Release, StoreError};

pub(super) async fn release(
    store: &Inner,
    request: &Release<'_>,
    deadline: Instant,
) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let query = || {
        Query::new(&store.statements.release)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.indeterminate)
            .bind(store.channel())
            .purpose(Purpose::Settle)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    rows.map(drop).map_err(store_error)
}

pub(super) async fn purge(store: &Inner, id: &RecordId) -> Result<bool, StoreError> {
    let query = || Query::new(&store.statements.purge).bind(&id.hash()[..]).bind(store.channel());
    // The second answer would say that nothing was there.
    let rows = store.connection.fetch(query, Retry::No).await?;
    let existed = rows.first().map(|row| row.try_get("stood")).transpose().map_err(store_error)?;
    existed.ok_or_else(|| store_error(unexpected("a purge statement without a row")))
}
