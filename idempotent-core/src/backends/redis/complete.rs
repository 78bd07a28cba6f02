//! Completing: a plain compare-and-set where the server has one, and a script for everything else.

use redis::{Cmd, Value};

use super::compare::CompareCommand;
use super::entry::{StoredValue, entry};
use super::error::{is_out_of_memory, store_error, unexpected};
use super::key::journal_of;
use super::lifetime::millis;
use super::script::{NEEDS_JOURNAL, ScriptKeys, head};
use super::shared::Shared;
use crate::store::{Complete, CompleteOutcome, IfVacant, StoreError};

pub(super) async fn complete(
    store: &Shared,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let key = store.keys.of(request.id);
    // A journal goes with its reservation, and so does the entry of a call in the index.
    let (reservation, compare) = (request.reservation, &store.compare);
    if !compare.has(CompareCommand::Set) || reservation.has_journal() || reservation.has_input() {
        return by_script(store, request, &key).await;
    }
    if by_command(store, &key, request).await? {
        return Ok(CompleteOutcome::Recorded);
    }
    Box::pin(store.bounded(by_script(store, request, &key))).await
}

async fn by_script(
    store: &Shared,
    request: &Complete<'_>,
    key: &str,
) -> Result<CompleteOutcome, StoreError> {
    let ttl = millis(request.ttl).to_string();
    // Replicas can be waited for only after a write.
    let options: &[u8] = match (request.if_vacant, store.replicas.is_some()) {
        (IfVacant::Refuse, false) => b"00",
        (IfVacant::Refuse, true) => b"01",
        (IfVacant::Record, false) => b"10",
        (IfVacant::Record, true) => b"11",
    };
    let (has_input, due_entry) = (request.reservation.has_input(), store.keys.due_entry(key));
    let (record, head) = (request.record.as_bytes(), head(request.reservation));
    let arguments = [record, ttl.as_bytes(), options, head, due_entry.as_bytes()];
    let arguments = if has_input { &arguments[..] } else { &arguments[..4] };
    let needs_replicas = |answer: &Value| *answer == Value::Int(1);
    let due = has_input.then(|| store.keys.due_of(request.id, key));
    let journal = (has_input || request.reservation.has_journal()).then(|| journal_of(key));
    let keys = ScriptKeys::with(key, journal.as_deref(), due.as_deref());
    let script = &store.scripts.complete;
    let sent = store.run_replicated(script, keys, arguments, needs_replicas);
    let mut answer = sent.await.map_err(store_error)?;
    if answer == Value::Int(NEEDS_JOURNAL) {
        let journal = journal_of(key);
        let keys = ScriptKeys::with(key, Some(&journal), None);
        let sent = Box::pin(store.run_replicated(script, keys, arguments, needs_replicas));
        answer = sent.await.map_err(store_error)?;
    }
    match answer {
        Value::Int(1) => Ok(CompleteOutcome::Recorded),
        Value::Int(0) => Ok(CompleteOutcome::Gone),
        Value::Array(mut pair) => match (pair.pop(), pair.pop(), pair.is_empty()) {
            (Some(Value::Int(pttl)), Some(Value::BulkString(value)), true) => {
                Ok(CompleteOutcome::Superseded(entry(&StoredValue { value, pttl })?))
            }
            _ => Err(store_error(unexpected(&Value::Array(pair)))),
        },
        answer => Err(store_error(unexpected(&answer))),
    }
}

/// Replaces the reservation, if it is there unchanged. If not, or if the server is full, the script must
/// decide.
async fn by_command(store: &Shared, key: &str, request: &Complete<'_>) -> Result<bool, StoreError> {
    let (old, new) = (request.reservation.as_bytes(), request.record.as_bytes());
    let mut command = Cmd::with_capacity(7, key.len() + old.len() + new.len() + 40);
    command.arg("SET").arg(key).arg(new).arg("IFEQ").arg(old);
    command.arg("PX").arg(millis(request.ttl));
    match store.write_replicated(key, &command, |answer| *answer == Value::Okay).await {
        Ok(Value::Okay) => Ok(true),
        Ok(Value::Nil) => Ok(false),
        Ok(answer) => Err(store_error(unexpected(&answer))),
        Err(error)
            if is_out_of_memory(&error)
                || store.compare.disable_if_unknown(CompareCommand::Set, &error) =>
        {
            Ok(false)
        }
        Err(error) => Err(store_error(error)),
    }
}
