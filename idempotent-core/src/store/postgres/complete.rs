//! Completing: one statement where the reservation still stands, and another for all else.

use tokio::time::Instant;

use super::Shared;
use super::error::{store_error, timed_out};
use super::link::{Question, Repeat};
use super::look::{Found, guarantee_code, micros};
use crate::store::{Complete, CompleteOutcome, Entry, State, StoreError, Vacant};

pub(super) async fn complete(
    store: &Shared,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let deadline = store.link.deadline();
    // What changes between the two statements is seen by the next turn.
    loop {
        if in_place(store, request, deadline).await? {
            return Ok(CompleteOutcome::Recorded);
        }
        if let Some(outcome) = record(store, request, deadline).await? {
            return Ok(outcome);
        }
        if Instant::now() >= deadline {
            return Err(store_error(timed_out()));
        }
    }
}

/// Ends the reservation, if it stands there.
async fn in_place(
    store: &Shared,
    request: &Complete<'_>,
    deadline: Instant,
) -> Result<bool, StoreError> {
    let token = request.reservation.token();
    let question = || {
        Question::new(&store.statements.complete)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.record.as_bytes())
            .bind(micros(request.ttl))
            .bind(request.vacant == Vacant::Record)
            .bind(store.channel())
    };
    let rows = store.link.ask_until(question, Repeat::Yes, deadline).await;
    Ok(!rows.map_err(store_error)?.is_empty())
}

/// Records the result where nothing stands, or tells what does; `None` if that changed meanwhile.
async fn record(
    store: &Shared,
    request: &Complete<'_>,
    deadline: Instant,
) -> Result<Option<CompleteOutcome>, StoreError> {
    let (token, record) = (request.reservation.token(), request.record);
    let question = || {
        Question::new(&store.statements.record)
            .bind(&request.id.hash()[..])
            .bind(request.id.operation())
            .bind(&token.as_bytes()[..])
            .bind(guarantee_code(record.guarantee()))
            .bind(record.as_bytes())
            .bind(micros(request.ttl))
            .bind(micros(record.retention()))
            .bind(request.vacant == Vacant::Record)
    };
    let rows = store.link.ask_until(question, Repeat::Yes, deadline).await;
    let Some(row) = rows.map_err(store_error)?.into_iter().next() else {
        let refused = request.vacant == Vacant::Refuse;
        return Ok(refused.then_some(CompleteOutcome::Gone));
    };
    let Some(found) = Found::read_or_nothing(&row)? else {
        return Ok(Some(CompleteOutcome::Recorded));
    };
    Ok(found.entry()?.and_then(|entry| answer(request, entry)))
}

fn answer(request: &Complete<'_>, entry: Entry) -> Option<CompleteOutcome> {
    if entry.record.token() != request.reservation.token() {
        return Some(CompleteOutcome::Superseded(entry));
    }
    // Its own reservation is not there for this statement to find.
    (entry.state == State::Completed).then_some(CompleteOutcome::Recorded)
}
