//! Releasing and purging: what makes an id vacant.

use sqlx::Row as _;

use super::Shared;
use super::link::ask;
use crate::record::RecordId;
use crate::store::{Release, StoreError};

pub(super) async fn release(store: &Shared, request: &Release<'_>) -> Result<(), StoreError> {
    let question = ask(&store.statements.release)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(request.indeterminate);
    store.link.write(question).await.map(drop)
}

/// Removes whatever stands there, and notes it for those who keep copies in other processes.
pub(super) async fn purge(store: &Shared, id: &RecordId) -> Result<bool, StoreError> {
    let (hash, pool) = (*id.hash(), store.link.pool().clone());
    let (purge, note) = (store.statements.purge.clone(), store.statements.note_purge.clone());
    let steps = async move {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        let gone = ask(&purge).bind(&hash[..]).fetch_all(&mut *transaction).await?;
        let Some(row) = gone.first() else { return Ok(false) };
        ask(&note).bind(&hash[..]).execute(&mut *transaction).await?;
        transaction.commit().await?;
        row.try_get(0)
    };
    store.link.in_turn(steps).await
}
