//! Loading: what is recorded under an id.

use super::connection::Retry;
use super::entry::EntryRow;
use super::error::{is_read_only, store_error};
use super::inner::Inner;
use super::query::Query;
use crate::model::{RecordId, Token};
use crate::store::{Entry, StoreError};

pub(super) async fn load(store: &Inner, id: &RecordId) -> Result<Option<Entry>, StoreError> {
    let query = || Query::new(&store.statements.load).bind(&id.hash()[..]);
    let rows = store.connection.fetch(query, Retry::Yes).await?;
    rows.first().map_or(Ok(None), |row| EntryRow::read(row)?.entry())
}

/// Loads an entry, and marks a reservation of that token as awaited: whoever ends it then notifies. A
/// server that accepts no writes cannot mark it, so the waiter has to keep polling.
pub(super) async fn load_awaited(
    store: &Inner,
    id: &RecordId,
    token: Token,
) -> Result<Option<Entry>, StoreError> {
    let query =
        || Query::new(&store.statements.mark).bind(&id.hash()[..]).bind(&token.as_bytes()[..]);
    match store.connection.fetch_until(query, Retry::Yes, store.connection.deadline()).await {
        Ok(rows) => rows.first().map_or(Ok(None), |row| EntryRow::read(row)?.entry()),
        Err(error) if is_read_only(&error) => load(store, id).await,
        Err(error) => Err(store_error(error)),
    }
}
