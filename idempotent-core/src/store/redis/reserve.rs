//! Reserving: one plain command decides it, and tells a completed record at once.

use redis::{Cmd, RedisError, Value};

use super::Shared;
use super::error::{is_out_of_memory, refuses_writes, store_error, unexpected};
use super::link::Repeat;
use super::look::lifetime;
use crate::record::{Guarantee, Outcome, Record};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind};

/// How often a key may vanish between two looks before what stood there last is the answer.
const ROUNDS: usize = 3;

pub(super) async fn reserve(
    store: &Shared,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    let key = store.keys.of(request.id);
    let command = set_if_vacant(&key, request);
    let mut rounds_left = ROUNDS;
    loop {
        let old = match store.write(&key, &command, Repeat::Once).await {
            Ok(Value::Nil) => return Ok(ReserveOutcome::Won),
            Ok(Value::BulkString(old)) => Record::from_bytes(&old)?,
            Ok(answer) => return Err(store_error(unexpected(&answer))),
            Err(error) => return without_writing(store, request, &key, error).await,
        };
        if !matches!(old.outcome(), Outcome::Reserved) {
            return Ok(ReserveOutcome::Taken(Entry::new(old, State::Completed, None)));
        }
        if old.token() == request.token() && old.guarantee() == Guarantee::AtLeastOnce {
            return Ok(ReserveOutcome::Won);
        }
        if let Some(entry) = store.look(&key).await? {
            return Ok(answer(request, entry));
        }
        rounds_left -= 1;
        if rounds_left == 0 {
            return Ok(ReserveOutcome::Taken(Entry::new(old, State::Reserved, None)));
        }
    }
}

fn set_if_vacant(key: &str, request: &Reserve<'_>) -> Cmd {
    let record = request.record();
    let value = record.as_bytes();
    let mut command = Cmd::with_capacity(7, key.len() + value.len() + 40);
    command.arg("SET").arg(key).arg(value).arg("NX").arg("GET");
    command.arg("PX").arg(lifetime(record, request.lease()));
    command
}

fn answer(request: &Reserve<'_>, entry: Entry) -> ReserveOutcome {
    if is_own(request, &entry) { ReserveOutcome::Won } else { ReserveOutcome::Taken(entry) }
}

fn is_own(request: &Reserve<'_>, entry: &Entry) -> bool {
    entry.state == State::Reserved && entry.record.token() == request.token()
}

/// A server that takes no writes can still tell what stands there, so that results replay.
async fn without_writing(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    refusal: RedisError,
) -> Result<ReserveOutcome, StoreError> {
    if !refuses_writes(&refusal) {
        return Err(store_error(refusal));
    }
    match store.look(key).await {
        // A full server is still the one that decides. A server that was demoted may show a
        // reservation that its successor does not have.
        Ok(Some(entry)) if !is_own(request, &entry) || is_out_of_memory(&refusal) => {
            Ok(answer(request, entry))
        }
        Err(error) if error.kind() == StoreErrorKind::Malformed => Err(error),
        _ => Err(store_error(refusal)),
    }
}
