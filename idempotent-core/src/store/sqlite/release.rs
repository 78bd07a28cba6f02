//! Releasing and purging: what makes an id vacant.

use sqlx::Row as _;

use super::Shared;
use super::error::store_error;
use super::link::ask;
use super::writer::Write;
use crate::record::RecordId;
use crate::store::{Release, StoreError};

pub(super) async fn release(store: &Shared, request: &Release<'_>) -> Result<(), StoreError> {
    let question = ask(&store.statements.release)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(request.indeterminate);
    store.link.change(question).await.map(drop)
}

/// Removes whatever stands there, and notes it for those who keep copies in other processes.
pub(super) async fn purge(store: &Shared, id: &RecordId) -> Result<bool, StoreError> {
    let hash = &id.hash()[..];
    let purge = ask(&store.statements.purge).bind(hash);
    let note = ask(&store.statements.note_purge).bind(hash);
    let done = store.link.write(Write::new().and_answer(purge).and_then(|it| it.and(note))).await?;
    let gone = done.rows.first();
    gone.map_or(Ok(false), |row| row.try_get(0).map_err(store_error))
}
