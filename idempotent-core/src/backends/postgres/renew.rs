//! Renewing: the lease is extended, the record stays the same.

use tokio::time::Instant;

use super::connection::Retry;
use super::error::store_error;
use super::inner::Inner;
use super::query::{Purpose, Query};
use crate::backends::shared::durations::ceil_micros;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(
    store: &Inner,
    request: &Renew<'_>,
    deadline: Instant,
) -> Result<RenewOutcome, StoreError> {
    let token = request.reservation.token();
    let query = || {
        Query::new(&store.statements.renew)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(ceil_micros(request.lease))
            .purpose(Purpose::Renew)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    let rows = rows.map_err(store_error)?;
    Ok(if rows.is_empty() { RenewOutcome::Lost } else { RenewOutcome::Renewed })
}
