//! Reserving: a read, which takes no lock on the file, and if the id seems vacant one statement that
//! decides.

use super::entry::{Found, lapse_code};
use super::inner::Inner;
use super::load::load;
use super::query::query;
use super::scope_use::scope_of;
use crate::backends::shared::durations::{ceil_millis, floor_millis};
use crate::backends::shared::retention::retention_ended;
use crate::model::{Guarantee, Outcome, Record};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind};

/// How often the record may change between the read and the statement.
const MAX_ATTEMPTS: usize = 8;

pub(super) async fn reserve(
    store: &Inner,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 0..MAX_ATTEMPTS {
        let found = load(store, request.id).await?;
        let expired = match found {
            Found::Entry(entry) if entry.state != State::Lapsed => {
                return Ok(answer(request, entry));
            }
            Found::Expired(record) => Some(record),
            Found::Entry(_) | Found::Nothing => None,
        };
        if insert(store, request).await? {
            if let Some(record) = expired.filter(was_unresolved) {
                retention_ended(record.operation(), *request.id.hash());
            }
            return Ok(ReserveOutcome::Won);
        }
    }
    Err(StoreError::new(
        StoreErrorKind::Unavailable,
        "the record changed too often while it was read: try again",
    ))
}

/// Reserves the id if it is vacant, and says whether it was.
async fn insert(store: &Inner, request: &Reserve<'_>) -> Result<bool, StoreError> {
    let record = request.record();
    let query = query(&store.statements.reserve)
        .bind(&request.id.hash()[..])
        .bind(&record.token().as_bytes()[..])
        .bind(lapse_code(record))
        .bind(ceil_millis(request.lease()))
        .bind(floor_millis(record.retention()))
        .bind(request.id.operation())
        .bind(record.as_bytes())
        .bind(scope_of(request.id));
    Ok(store.connection.change(query).await? > 0)
}

/// What the entry in the way means for the caller.
fn answer(request: &Reserve<'_>, entry: Entry) -> ReserveOutcome {
    // A token that was never written cannot be in a record.
    let is_own = entry.state == State::Reserved
        && request.is_written()
        && entry.record.token() == request.token();
    if is_own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) }
}

fn was_unresolved(record: &Record) -> bool {
    record.outcome() == Outcome::Reserved && record.guarantee() != Guarantee::AtLeastOnce
}
