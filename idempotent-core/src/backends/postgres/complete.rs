//! Completing: one statement if the reservation still exists, and another one otherwise.

use sqlx::postgres::types::PgInterval;
use tokio::time::Instant;

use super::connection::Retry;
use super::entry::{EntryRow, guarantee_code};
use super::error::{store_error, timed_out};
use super::inner::Inner;
use super::query::{Purpose, Query};
use super::scope_use::scope_of;
use crate::backends::shared::durations::ceil_micros;
use crate::store::{Complete, CompleteOutcome, Entry, IfVacant, State, StoreError};

pub(super) async fn complete(
    store: &Inner,
    request: &Complete<'_>,
    deadline: Instant,
) -> Result<CompleteOutcome, StoreError> {
    // If the record changes between the two statements, try both again.
    loop {
        if complete_reserved(store, request, deadline).await? {
            return Ok(CompleteOutcome::Recorded);
        }
        if let Some(outcome) = record_if_vacant(store, request, deadline).await? {
            return Ok(outcome);
        }
        if Instant::now() >= deadline {
            return Err(store_error(timed_out()));
        }
    }
}

/// Completes the reservation, if it exists.
async fn complete_reserved(
    store: &Inner,
    request: &Complete<'_>,
    deadline: Instant,
) -> Result<bool, StoreError> {
    let token = request.reservation.token();
    let statement = match request.if_vacant {
        IfVacant::Record => &store.statements.complete,
        IfVacant::Refuse => &store.statements.complete_within_retention,
    };
    let ttl = PgInterval { months: 0, days: 0, microseconds: ceil_micros(request.ttl) };
    let query = || {
        Query::new(statement)
            .bind(&request.id.hash()[..])
            .bind(&token.as_bytes()[..])
            .bind(request.record.as_bytes())
            .bind(ttl)
            .bind(store.channel())
            .purpose(Purpose::Settle)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    Ok(!rows.map_err(store_error)?.is_empty())
}

/// Records the result if the id is vacant, or says what is recorded instead; `None` if that has changed
/// meanwhile.
async fn record_if_vacant(
    store: &Inner,
    request: &Complete<'_>,
    deadline: Instant,
) -> Result<Option<CompleteOutcome>, StoreError> {
    let (token, record) = (request.reservation.token(), request.record);
    let query = || {
        Query::new(&store.statements.record)
            .bind(&request.id.hash()[..])
            .bind(request.id.operation())
            .bind(&token.as_bytes()[..])
            .bind(guarantee_code(record.guarantee()))
            .bind(record.as_bytes())
            .bind(ceil_micros(request.ttl))
            .bind(ceil_micros(record.retention()))
            .bind(request.if_vacant == IfVacant::Record)
            .bind(scope_of(request.id))
            .purpose(Purpose::Settle)
    };
    let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
    let Some(found) = rows.map_err(store_error)?.into_iter().next() else {
        let refused = request.if_vacant == IfVacant::Refuse;
        return Ok(refused.then_some(CompleteOutcome::Gone));
    };
    let Some(row) = EntryRow::read_optional(&found)? else {
        return Ok(Some(CompleteOutcome::Recorded));
    };
    Ok(row.entry()?.and_then(|entry| answer(request, entry)))
}

fn answer(request: &Complete<'_>, entry: Entry) -> Option<CompleteOutcome> {
    if entry.record.token() != request.reservation.token() {
        return Some(CompleteOutcome::Superseded(entry));
    }
    // The first statement would have completed its own reservation.
    (entry.state == State::Completed).then_some(CompleteOutcome::Recorded)
}
