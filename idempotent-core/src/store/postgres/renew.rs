//! Renewing: a deadline moves, the record does not.

use super::Shared;
use super::link::{Question, Repeat};
use super::look::micros;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Shared, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let token = request.reservation.token();
    let question = || {
        Question::new(&store.statements.renew)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(micros(request.lease))
    };
    let rows = store.link.ask(question, Repeat::Yes).await?;
    Ok(if rows.is_empty() { RenewOutcome::Lost } else { RenewOutcome::Renewed })
}
