//! Releasing and purging: both make an id vacant.

use sqlx::Row as _;

use super::error::store_error;
use super::inner::Inner;
use super::query::query;
use super::write_queue::Write;
use crate::model::RecordId;
use crate::store::{Release, StoreError};

pub(super) async fn release(store: &Inner, request: &Release<'_>) -> Result<(), StoreError> {
    let query = query(&store.statements.release)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(request.indeterminate);
    store.connection.change(query).await.map(drop)
}

/// Removes whatever is recorded, and notes that for other processes that keep copies.
pub(super) async fn purge(store: &Inner, id: &RecordId) -> Result<bool, StoreError> {
    let hash = &id.hash()[..];
    let purge = query(&store.statements.purge).bind(hash);
    let note = query(&store.statements.note_purge).bind(hash);
    let done = store
        .connection
        .write(Write::new().and_fetch(purge).and_then(|write| write.and(note)))
        .await?;
    let existed = done.rows.first();
    existed.map_or(Ok(false), |row| row.try_get(0).map_err(store_error))
}
