//! Marking a reservation whose owner no longer works on it.

use super::connection::{Query, Retry};
use super::entry::guarantee_code;
use super::inner::Inner;
use crate::store::{Abandon, StoreError};

pub(super) async fn abandon(store: &Inner, request: &Abandon<'_>) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let query = || {
        Query::new(&store.statements.abandon)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.record.as_bytes())
            .bind(guarantee_code(request.record.guarantee()))
            .bind(request.ends_lease())
            .bind(store.channel())
    };
    store.connection.fetch(query, Retry::Yes).await.map(drop)
}
