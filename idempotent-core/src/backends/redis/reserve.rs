//! Reserving: one plain command decides, and returns a completed record at once. For a call with an input it is a script,
//! which also writes when the call is due.

use redis::{Cmd, RedisError, RedisResult, Value};

use super::confirm::confirm;
use super::error::{is_out_of_memory, refuses_writes, store_error, unexpected};
use super::lifetime::{lifetime, millis};
use super::script::ScriptKeys;
use super::shared::Shared;
use crate::model::{Outcome, Record};
use crate::store::{Entry, Reserve, ReserveOutcome, State, StoreError, StoreErrorKind};

/// How often a reservation may vanish between two commands before it is reported as it was.
const ATTEMPTS: usize = 3;

pub(super) async fn reserve(
    store: &Shared,
    request: &Reserve<'_>,
) -> Result<ReserveOutcome, StoreError> {
    let key = store.keys.of(request.id);
    if store.lacks_replicas(&key) {
        if let Some(entry) = Box::pin(taken_by_other(store, request, &key)).await {
            return Ok(ReserveOutcome::Taken(entry));
        }
    }
    match try_to_reserve(store, request, &key).await {
        Ok(answer) => match parse_answer(answer)? {
            SetAnswer::Outcome(outcome) => Ok(outcome),
            SetAnswer::Reserved(old) => {
                let rest = after_reserved(store, request, &key, old);
                Box::pin(store.bounded(rest)).await
            }
        },
        Err(error) => Box::pin(store.bounded(without_writing(store, request, &key, error))).await,
    }
}

/// Reserves if the key is vacant, and answers as `SET … NX GET` does.
async fn try_to_reserve(store: &Shared, request: &Reserve<'_>, key: &str) -> RedisResult<Value> {
    if request.record().has_input() {
        return Box::pin(reserve_with_input(store, request, key)).await;
    }
    let command = set_if_vacant(key, request);
    store.write_replicated(key, &command, is_won).await
}

/// The same for a call with an input, which is due once its lease is over: the record and its entry in the index are
/// written together.
async fn reserve_with_input(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
) -> RedisResult<Value> {
    let record = request.record();
    let index = store.keys.due_of(request.id, key);
    let lifetime = lifetime(record, request.lease()).to_string();
    let (lease, entry) = (millis(request.lease()).to_string(), store.keys.due_entry(key));
    let arguments = [record.as_bytes(), lifetime.as_bytes(), lease.as_bytes(), entry.as_bytes()];
    let keys = ScriptKeys::with(key, None, Some(&index));
    store.run_replicated(&store.scripts.reserve, keys, &arguments, is_won).await
}

fn is_won(answer: &Value) -> bool {
    *answer == Value::Nil
}

/// The answer to the `SET` that reserves.
enum SetAnswer {
    Outcome(ReserveOutcome),
    /// A reservation was there, perhaps this one.
    Reserved(Record),
}

fn parse_answer(answer: Value) -> Result<SetAnswer, StoreError> {
    let old = match answer {
        Value::Nil => return Ok(SetAnswer::Outcome(ReserveOutcome::Won)),
        Value::BulkString(old) => Record::from_bytes(&old)?,
        answer => return Err(store_error(unexpected(&answer))),
    };
    Ok(match old.outcome() {
        Outcome::Reserved => SetAnswer::Reserved(old),
        _ => SetAnswer::Outcome(ReserveOutcome::Taken(Entry::new(old, State::Completed, None))),
    })
}

/// The outcome when a reservation was there.
async fn after_reserved(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    mut old: Record,
) -> Result<ReserveOutcome, StoreError> {
    for _ in 1..ATTEMPTS {
        if let Some(outcome) = check_reserved(store, request, key, &old).await? {
            return Ok(outcome);
        }
        old = match try_to_reserve(store, request, key).await {
            Ok(answer) => match parse_answer(answer)? {
                SetAnswer::Outcome(outcome) => return Ok(outcome),
                SetAnswer::Reserved(old) => old,
            },
            Err(error) => return without_writing(store, request, key, error).await,
        };
    }
    let outcome = check_reserved(store, request, key, &old).await?;
    Ok(outcome.unwrap_or_else(|| ReserveOutcome::Taken(Entry::new(old, State::Reserved, None))))
}

/// The outcome for a reservation that was there a moment ago; `None` if it is gone.
async fn check_reserved(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    old: &Record,
) -> Result<Option<ReserveOutcome>, StoreError> {
    if old.token() == request.token() && !old.keeps_lapsed() {
        return Ok(confirm(store, key, old).await?.then_some(ReserveOutcome::Won));
    }
    match store.load(key).await? {
        Some(entry) => outcome_for(store, request, key, entry).await,
        None => Ok(None),
    }
}

/// The entry of another call. It is read first while replicas are missing, because a write would wait
/// for them in vain.
async fn taken_by_other(store: &Shared, request: &Reserve<'_>, key: &str) -> Option<Entry> {
    let entry = store.load(key).await.ok()??;
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

/// The outcome for an entry; `None` if it is this call's own, and lapsed before it could be confirmed.
async fn outcome_for(
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

/// The outcome when a server refuses writes. It can still read, so results replay.
async fn without_writing(
    store: &Shared,
    request: &Reserve<'_>,
    key: &str,
    refusal: RedisError,
) -> Result<ReserveOutcome, StoreError> {
    if !refuses_writes(&refusal) {
        return Err(store_error(refusal));
    }
    match store.load(key).await {
        // A full server still decides. A server that was demoted may have a reservation that its
        // successor does not have.
        Ok(Some(entry)) if !is_own(request, &entry) || is_out_of_memory(&refusal) => {
            let outcome = outcome_for(store, request, key, entry).await?;
            outcome.ok_or_else(|| store_error(refusal))
        }
        Err(error) if error.kind() == StoreErrorKind::Malformed => Err(error),
        _ => Err(store_error(refusal)),
    }
}
