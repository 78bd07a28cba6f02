//! Reserving: a look, which tells what stands there without taking the file's lock, and one
//! statement that decides where the id looks vacant.

use super::Shared;
use super::link::ask;
use super::look::Found;
use super::millis::{millis, retention};
use super::report::retention_ended;
use crate::record::{Guarantee, Outcome, Record};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind};

/// How often an id may be taken and vacant again between two looks.
const ROUNDS: usize = 8;

pub(super) async fn reserve(
    store: &Shared,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 0..ROUNDS {
        let found = store.look(request.id).await?;
        let over = match found {
            Found::Standing(entry) if entry.state != State::Lapsed => {
                return Ok(answer(request, entry));
            }
            Found::Over(record) => Some(record),
            Found::Standing(_) | Found::Nothing => None,
        };
        if insert(store, request).await? {
            if let Some(record) = over.filter(was_unresolved) {
                retention_ended(record.operation(), *request.id.hash());
            }
            return Ok(ReserveOutcome::Won);
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, "the record changes faster than it is read"))
}

/// Takes the id if it is vacant, and says whether it was.
async fn insert(store: &Shared, request: &Reserve<'_>) -> Result<bool, StoreError> {
    let record = request.record();
    let question = ask(&store.statements.reserve)
        .bind(&request.id.hash()[..])
        .bind(&record.token().as_bytes()[..])
        .bind(code(record.guarantee()))
        .bind(millis(request.lease()))
        .bind(retention(record))
        .bind(request.id.operation())
        .bind(record.as_bytes());
    Ok(store.link.change(question).await? > 0)
}

/// What an entry means for who asked.
fn answer(request: &Reserve<'_>, entry: Entry) -> ReserveOutcome {
    // Before anybody looked at the request's token, no record can carry it.
    let is_own = entry.state == State::Reserved
        && request.is_written()
        && entry.record.token() == request.token();
    if is_own { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) }
}

fn was_unresolved(record: &Record) -> bool {
    record.outcome() == Outcome::Reserved && record.guarantee() != Guarantee::AtLeastOnce
}

/// What the column says: 0 where a lapse makes the id vacant.
pub(super) fn code(guarantee: Guarantee) -> i64 {
    i64::from(guarantee != Guarantee::AtLeastOnce)
}
