//! Completing: one statement, and a read if it changed nothing.

use super::entry::guarantee_code;
use super::inner::Inner;
use super::load::load;
use super::query::{Query, query};
use super::scope_use::scope_of;
use crate::backends::shared::durations::{ceil_millis, floor_millis};
use crate::model::Token;
use crate::store::{Complete, CompleteOutcome, Entry, IfVacant, State, StoreError, StoreErrorKind};

/// How often the record may change between the statement and the read.
const MAX_ATTEMPTS: usize = 8;

pub(super) async fn complete(
    store: &Inner,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let token = request.reservation.token();
    for _ in 0..MAX_ATTEMPTS {
        let query = match request.if_vacant {
            IfVacant::Record => complete_or_record(store, request, token),
            IfVacant::Refuse => complete_reserved(store, request, token),
        };
        if store.connection.change(query).await? > 0 {
            return Ok(CompleteOutcome::Recorded);
        }
        let found = load(store, request.id).await?.entry();
        if let Some(outcome) = answer(request, token, found) {
            return Ok(outcome);
        }
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        "the record changed too often while it was read: try again",
    ))
}

/// The outcome if the statement changed nothing; `None` if the record has changed since.
fn answer(request: &Complete<'_>, token: Token, found: Option<Entry>) -> Option<CompleteOutcome> {
    match found {
        Some(entry) if entry.record.token() == token => {
            // Completed is final, also for its own owner.
            (entry.state == State::Completed).then_some(CompleteOutcome::Recorded)
        }
        Some(entry) if entry.state != State::Lapsed => Some(CompleteOutcome::Superseded(entry)),
        _ => (request.if_vacant == IfVacant::Refuse).then_some(CompleteOutcome::Gone),
    }
}

fn complete_or_record(store: &Inner, request: &Complete<'_>, token: Token) -> Query {
    query(&store.statements.complete)
        .bind(&request.id.hash()[..])
        .bind(&token.as_bytes()[..])
        .bind(guarantee_code(request.record.guarantee()))
        .bind(ceil_millis(request.ttl))
        .bind(floor_millis(request.record.retention()))
        .bind(request.id.operation())
        .bind(request.record.as_bytes())
        .bind(scope_of(request.id))
}

fn complete_reserved(store: &Inner, request: &Complete<'_>, token: Token) -> Query {
    query(&store.statements.complete_reserved)
        .bind(&request.id.hash()[..])
        .bind(&token.as_bytes()[..])
        .bind(ceil_millis(request.ttl))
        .bind(request.record.as_bytes())
}
