//! Reserving: one statement decides it, and returns the record that is in the way.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;
use tokio::time::Instant;

use super::connection::Retry;
use super::entry::{EntryRow, RESUMABLE, lapse_code};
use super::error::{is_read_only, store_error, timed_out, unexpected};
use super::inner::Inner;
use super::load::load;
use super::query::Query;
use super::scope_use::scope_of;
use crate::backends::shared::durations::ceil_micros;
use crate::backends::shared::retention::retention_ended;
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError};

pub(super) async fn reserve(
    store: &Inner,
    request: &Reserve<'_>,
    deadline: Instant,
) -> Result<ReserveOutcome, StoreError> {
    let query = || {
        let record = request.record();
        let statement = match lapse_code(record) {
            RESUMABLE => &store.statements.reserve_with_input,
            _ => &store.statements.reserve,
        };
        Query::new(statement)
            .bind(&request.id.hash()[..])
            .bind(request.id.operation())
            .bind(&record.token().as_bytes()[..])
            .bind(lapse_code(record))
            .bind(record.as_bytes())
            .bind(ceil_micros(request.lease()))
            .bind(ceil_micros(record.retention()))
            .bind(scope_of(request.id))
    };
    loop {
        let rows = match store.connection.fetch_until(query, Retry::Yes, deadline).await {
            Ok(rows) => rows,
            Err(error) if is_read_only(&error) => return replay(store, request, error).await,
            Err(error) => return Err(store_error(error)),
        };
        let (record, lapse, gone, removed) = answer(&rows).map_err(store_error)?;
        let Some(row) = EntryRow::new(record, lapse, gone).map_err(store_error)? else {
            if removed == Some(true) {
                retention_ended(request.id.operation(), *request.id.hash());
            }
            return Ok(ReserveOutcome::Won);
        };
        // A record that has expired since it was read leaves the id vacant.
        if let Some(entry) = row.entry()? {
            return Ok(outcome(request, entry));
        }
        if Instant::now() >= deadline {
            return Err(store_error(timed_out()));
        }
    }
}

/// The columns of [`EntryRow`], and whether an unresolved record was removed.
type Answer = (Option<Vec<u8>>, Option<PgInterval>, Option<PgInterval>, Option<bool>);

fn answer(rows: &[PgRow]) -> Result<Answer, sqlx::Error> {
    rows.first().ok_or_else(|| unexpected("a reserve statement without a row"))?.try_get("answer")
}

/// What the entry in the way means for the caller.
pub(super) fn outcome(request: &Reserve<'_>, entry: Entry) -> ReserveOutcome {
    let is_own = entry.state == State::Reserved && entry.record.token() == request.token();
    if is_own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) }
}

/// A server that accepts no writes can still return a result, which is final. Anything else it returns may
/// be older than the record on its primary.
async fn replay(
    store: &Inner,
    request: &Reserve<'_>,
    refusal: sqlx::Error,
) -> Result<ReserveOutcome, StoreError> {
    match load(store, request.id).await? {
        Some(entry) if entry.state == State::Completed => Ok(ReserveOutcome::Taken(entry)),
        _ => Err(store_error(refusal)),
    }
}
