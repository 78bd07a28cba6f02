//! Reserving: one plain command decides it, and tells a completed record at once.

use redis::{Cmd, RedisError, Value};

use super::Shared;
use super::error::{is_out_of_memory, refuses_writes, store_error, unexpected};
use super::look::lifetime;
use super::replicas::confirm;
use crate::record::{Guarantee, Outcome, Record};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind};

/// How often a key may vanish between two looks before what stood there last is the answer.
const ROUNDS: usize = 3;

pub(super) async fn reserve(
    store: &Shared,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    let key = store.keys.of(request.id);
    if store.lacks_replicas(&key) {
        if let Some(entry) = Box::pin(taken_for_sure(store, request, &key)).await {
            return Ok(ReserveOutcome::Taken(entry));
        }
    }
    let command = set_if_vacant(&key, request);
    let mut rounds_left = ROUNDS;
    loop {
        let old = match store.promise(&key, &command, |answer| *answer == Value::Nil).await {
            Ok(Value::Nil) => return Ok(ReserveOutcome::Won),
            Ok(Value::BulkString(old)) => Record::from_bytes(&old)?,
            Ok(answer) => return Err(store_error(unexpected(&answer))),
            Err(error) => return Box::pin(without_writing(store, request, &key, error)).await,
        };
        if !matches!(old.outcome(), Outcome::Reserved) {
            return Ok(ReserveOutcome::Taken(Entry::new(old, State::Completed, None)));
        }
        if old.token() == request.token() && old.guarantee() == Guarantee::AtLeastOnce {
            if Box::pin(confirm(store, &key, &old)).await? {
                return Ok(ReserveOutcome::Won);
            }
        } else if let Some(entry) = Box::pin(store.look(&key)).await? {
            if let Some(outcome) = Box::pin(answer(store, request, &key, entry)).await? {
                return Ok(outcome);
            }
        }
        rounds_left -= 1;
        if rounds_left == 0 {
            return Ok(ReserveOutcome::Taken(Entry::new(old, State::Reserved, None)));
        }
    }
}

/// What another call has put there, while replicas are missing: then a look spares a write that
/// would wait for them in vain.
async fn taken_for_sure(store: &Shared, request: &Reserve<'_>, key: &str) -> Option<Entry> {
    let entry = store.look(key).await.ok()??;
    (entry.record.token() != request.token()).then_some(entry)
}

fn set_if_vacant(key: &str, request: &Reserve<'_>) -> Cmd {
    let record = request.record();
    let value = record.as_bytes();
    let mut command = Cmd::with_capacity(7, key.len() + value.len() + 40);
    command.arg("SET").arg(key).arg(value).arg("NX").arg("GET");
    command.arg("PX").arg(lifetime(record, request.lease()));
    command
}

/// What an entry means for who asked; `None` if it is their own, and lapsed before it could be made
/// sure of.
async fn answer(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    entry: Entry,
) -> Result<Option<ReserveOutcome>, StoreError> {
    if !is_own(request, &entry) {
        return Ok(Some(ReserveOutcome::Taken(entry)));
    }
    Ok(confirm(store, key, &entry.record).await?.then_some(ReserveOutcome::Won))
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
            let outcome = answer(store, request, key, entry).await?;
            outcome.ok_or_else(|| store_error(refusal))
        }
        Err(error) if error.kind() == StoreErrorKind::Malformed => Err(error),
        _ => Err(store_error(refusal)),
    }
}
