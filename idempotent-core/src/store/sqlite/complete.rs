//! Completing: one statement, and a look where it changed nothing.

use super::Shared;
use super::link::{Question, ask};
use super::millis::{millis, retention};
use super::reserve::code;
use crate::record::Token;
use crate::store::{Complete, CompleteOutcome, Entry, State, StoreError, StoreErrorKind, Vacant};

/// How often an id may be taken and vacant again between two looks.
const ROUNDS: usize = 8;

pub(super) async fn complete(
    store: &Shared,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let token = request.reservation.token();
    for _ in 0..ROUNDS {
        let question = match request.vacant {
            Vacant::Record => wherever_vacant(store, request, token),
            Vacant::Refuse => held(store, request, token),
        };
        if store.link.change(question).await? > 0 {
            return Ok(CompleteOutcome::Recorded);
        }
        let found = store.look(request.id).await?.entry();
        if let Some(outcome) = answer(request, token, found) {
            return Ok(outcome);
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, "the record changes faster than it is read"))
}

/// What stands there, after nothing was changed; `None` if that is no reason to change nothing.
fn answer(request: &Complete<'_>, token: Token, found: Option<Entry>) -> Option<CompleteOutcome> {
    match found {
        Some(entry) if entry.record.token() == token => {
            // Completed is final, also for its own owner.
            (entry.state == State::Completed).then_some(CompleteOutcome::Recorded)
        }
        Some(entry) if entry.state != State::Lapsed => Some(CompleteOutcome::Superseded(entry)),
        _ => (request.vacant == Vacant::Refuse).then_some(CompleteOutcome::Gone),
    }
}

fn wherever_vacant(store: &Shared, request: &Complete<'_>, token: Token) -> Question {
    ask(&store.statements.complete)
        .bind(&request.id.hash()[..])
        .bind(&token.as_bytes()[..])
        .bind(code(request.record.guarantee()))
        .bind(millis(request.ttl))
        .bind(retention(request.record))
        .bind(request.id.operation())
        .bind(request.record.as_bytes())
}

fn held(store: &Shared, request: &Complete<'_>, token: Token) -> Question {
    ask(&store.statements.complete_held)
        .bind(&request.id.hash()[..])
        .bind(&token.as_bytes()[..])
        .bind(millis(request.ttl))
        .bind(request.record.as_bytes())
}
