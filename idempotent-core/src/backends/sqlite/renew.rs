//! Renewing: the lease is extended, the record stays the same. Renewals go before other writes: what the store
//! has to do must not cost a call its lease.

use super::inner::Inner;
use super::query::query;
use crate::backends::shared::durations::ceil_millis;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Inner, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let query = query(&store.statements.renew)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(ceil_millis(request.lease));
    let is_renewed = store.connection.change_first(query).await? > 0;
    Ok(if is_renewed { RenewOutcome::Renewed } else { RenewOutcome::Lost })
}
