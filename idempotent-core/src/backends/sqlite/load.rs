//! Loading: what is recorded under an id.

use super::entry::{Found, read};
use super::inner::Inner;
use super::query::query;
use crate::model::RecordId;
use crate::store::StoreError;

pub(super) async fn load(store: &Inner, id: &RecordId) -> Result<Found, StoreError> {
    let query = query(&store.statements.load).bind(&id.hash()[..]);
    let rows = store.connection.read(query).await?;
    rows.first().map_or(Ok(Found::Nothing), read)
}
