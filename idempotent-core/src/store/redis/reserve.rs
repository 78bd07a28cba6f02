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
    match store.promise(&key, &command, |answer| *answer == Value::Nil).await {
        Ok(answer) => match told(answer)? {
            Told::Outcome(outcome) => Ok(outcome),
            Told::Running(old) => {
                Box::pin(store.besides(running(store, request, &key, &command, old))).await
            }
        },
        Err(error) => Box::pin(store.besides(without_writing(store, request, &key, error))).await,
    }
}

/// What the answer to a reservation says.
enum Told {
    Outcome(ReserveOutcome),
    /// A reservation stood there, this one perhaps.
    Running(Record),
}

fn told(answer: Value) -> Result<Told, StoreError> {
    let old = match answer {
        Value::Nil => return Ok(Told::Outcome(ReserveOutcome::Won)),
        Value::BulkString(old) => Record::from_bytes(&old)?,
        answer => return Err(store_error(unexpected(&answer))),
    };
    Ok(match old.outcome() {
        Outcome::Reserved => Told::Running(old),
        _ => Told::Outcome(ReserveOutcome::Taken(Entry::new(old, State::Completed, None))),
    })
}

/// What a reservation that stood there means now.
async fn running(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    command: &Cmd,
    mut old: Record,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 1..ROUNDS {
        if let Some(outcome) = settled(store, request, key, &old).await? {
            return Ok(outcome);
        }
        old = match store.promise(key, command, |answer| *answer == Value::Nil).await {
            Ok(answer) => match told(answer)? {
                Told::Outcome(outcome) => return Ok(outcome),
                Told::Running(old) => old,
            },
            Err(error) => return without_writing(store, request, key, error).await,
        };
    }
    let outcome = settled(store, request, key, &old).await?;
    Ok(outcome.unwrap_or_else(|| ReserveOutcome::Taken(Entry::new(old, State::Reserved, None))))
}

/// What a reservation that stood there a moment ago comes to; `None` if it is gone.
async fn settled(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    old: &Record,
) -> Result<Option<ReserveOutcome>, StoreError> {
    if old.token() == request.token() && old.guarantee() == Guarantee::AtLeastOnce {
        return Ok(confirm(store, key, old).await?.then_some(ReserveOutcome::Won));
    }
    match store.look(key).await? {
        Some(entry) => answer(store, request, key, entry).await,
        None => Ok(None),
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
