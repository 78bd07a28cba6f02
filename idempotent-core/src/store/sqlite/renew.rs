//! Renewing: the row's time moves, its record does not.

use super::Shared;
use super::link::ask;
use super::millis::millis;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Shared, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let question = ask(&store.statements.renew)
        .bind(&request.id.hash()[..])
        .bind(&request.reservation.token().as_bytes()[..])
        .bind(millis(request.lease));
    let is_renewed = store.link.change(question).await? > 0;
    Ok(if is_renewed { RenewOutcome::Renewed } else { RenewOutcome::Lost })
}
