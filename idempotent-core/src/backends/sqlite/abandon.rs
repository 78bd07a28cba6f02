//! Marking a reservation whose owner no longer works on it.

use super::entry::lapse_code;
use super::inner::Inner;
use super::query::query;
use crate::store::{Abandon, StoreError};

pub(super) async fn abandon(store: &Inner, request: &Abandon<'_>) -> Result<(), StoreError> {
    let query = query(&store.statements.abandon)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(request.record.as_bytes())
        .bind(lapse_code(request.record))
        .bind(request.ends_lease());
    store.connection.change(query).await.map(drop)
}
