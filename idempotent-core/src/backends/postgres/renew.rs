//! Renewing: the lease is extended, the record stays the same.

use super::connection::Retry;
use super::inner::Inner;
use super::query::{Purpose, Query};
use crate::backends::shared::durations::ceil_micros;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Inner, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let token = request.reservation.token();
    let query = || {
        Query::new(&store.statements.renew)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(ceil_micros(request.lease))
            .purpose(Purpose::Renew)
    };
    let rows = store.connection.fetch(query, Retry::Yes).await?;
    Ok(if rows.is_empty() { RenewOutcome::Lost } else { RenewOutcome::Renewed })
}
