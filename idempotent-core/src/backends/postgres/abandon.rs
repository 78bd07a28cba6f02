//! Marking a reservation whose owner no longer works on it.

use tokio::time::Instant;

use super::connection::Retry;
use super::entry::lapse_code;
use super::error::store_error;
use super::inner::Inner;
use super::query::{Purpose, Query};
use crate::store::{Abandon, StoreError};

pub(super) async fn abandon(
    store: &Inner,
    request: &Abandon<'_>,
    deadline: Instant,
) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let query = || {
        Query::new(&store.statements.abandon)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.record.as_bytes())
            .bind(lapse_code(request.record))
            .bind(request.ends_lease())
            .bind(store.channel())
            .purpose(Purpose::Settle)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    rows.map(drop).map_err(store_error)
}
