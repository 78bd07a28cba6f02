//! Releasing and purging: what makes an id vacant.

use sqlx::Row;

use super::Shared;
use super::error::{store_error, unexpected};
use super::link::{Question, Repeat};
use crate::record::RecordId;
use crate::store::{Release, StoreError};

pub(super) async fn release(store: &Shared, request: &Release<'_>) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let question = || {
        Question::new(&store.statements.release)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.indeterminate)
            .bind(store.channel())
    };
    store.link.ask(question, Repeat::Yes).await.map(drop)
}

pub(super) async fn purge(store: &Shared, id: &RecordId) -> Result<bool, StoreError> {
    let question =
        || Question::new(&store.statements.purge).bind(&id.hash()[..]).bind(store.channel());
    // A second answer would say that there was nothing.
    let rows = store.link.ask(question, Repeat::No).await?;
    let stood = rows.first().map(|row| row.try_get("stood")).transpose().map_err(store_error)?;
    stood.ok_or_else(|| store_error(unexpected("a purge without an answer")))
}
