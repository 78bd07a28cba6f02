//! Reserving: one statement decides it, and tells what stands there.

use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;
use tokio::time::Instant;

use super::error::{is_read_only, store_error, timed_out, unexpected};
use super::link::{Question, Repeat};
use super::look::{self, Found, guarantee_code, micros};
use super::{Shared, report};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError};

pub(super) async fn reserve(
    store: &Shared,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    let deadline = store.link.deadline();
    let question = || {
        let record = request.record();
        Question::new(&store.statements.reserve)
            .bind(&request.id.hash()[..])
            .bind(request.id.operation())
            .bind(&record.token().as_bytes()[..])
            .bind(guarantee_code(record.guarantee()))
            .bind(record.as_bytes())
            .bind(micros(request.lease()))
            .bind(micros(record.retention()))
    };
    loop {
        let rows = match store.link.ask_until(question, Repeat::Yes, deadline).await {
            Ok(rows) => rows,
            Err(error) if is_read_only(&error) => return replay(store, request, error).await,
            Err(error) => return Err(store_error(error)),
        };
        let (record, lapse, gone, forgotten) = answer(&rows).map_err(store_error)?;
        let Some(found) = Found::new(record, lapse, gone).map_err(store_error)? else {
            if forgotten == Some(true) {
                report::retention_ended(request.id);
            }
            return Ok(ReserveOutcome::Won);
        };
        // What was gone a moment after it was found is vacant now.
        if let Some(entry) = found.entry()? {
            return Ok(outcome(request, entry));
        }
        if Instant::now() >= deadline {
            return Err(store_error(timed_out()));
        }
    }
}

/// What stands there, as [`Found`] has it, and whether another record was forgotten.
type Answer = (Option<Vec<u8>>, Option<PgInterval>, Option<PgInterval>, Option<bool>);

fn answer(rows: &[PgRow]) -> Result<Answer, sqlx::Error> {
    rows.first().ok_or_else(|| unexpected("a reserve without an answer"))?.try_get("answer")
}

fn outcome(request: &Reserve<'_>, entry: Entry) -> ReserveOutcome {
    let is_own = entry.state == State::Reserved && entry.record.token() == request.token();
    if is_own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) }
}

/// A server that takes no writes can still tell a result, which is final. What else it shows may be
/// older than what its primary has.
async fn replay(
    store: &Shared,
    request: &Reserve<'_>,
    refusal: sqlx::Error,
) -> Result<ReserveOutcome, StoreError> {
    match look::load(store, request.id).await? {
        Some(entry) if entry.state == State::Completed => Ok(ReserveOutcome::Taken(entry)),
        _ => Err(store_error(refusal)),
    }
}
