//! Completing: a plain compare-and-set where the server has one, and a script for all else.

use redis::{Cmd, Value};

use super::Shared;
use super::compares::Comparing;
use super::error::{is_out_of_memory, store_error, unexpected};
use super::look::{entry, millis};
use crate::store::{Complete, CompleteOutcome, StoreError, Vacant};

pub(super) async fn complete(
    store: &Shared,
    request: &Complete<'_>,
) -> Result<CompleteOutcome, StoreError> {
    let key = store.keys.of(request.id);
    if !store.compares.by(Comparing::Set) {
        return by_script(store, request, &key).await;
    }
    if in_place(store, &key, request).await? {
        return Ok(CompleteOutcome::Recorded);
    }
    Box::pin(store.besides(by_script(store, request, &key))).await
}

async fn by_script(
    store: &Shared,
    request: &Complete<'_>,
    key: &str,
) -> Result<CompleteOutcome, StoreError> {
    let ttl = millis(request.ttl).to_string();
    // Replicas can only be waited for after a write.
    let options: &[u8] = match (request.vacant, store.replicas.is_some()) {
        (Vacant::Refuse, false) => b"00",
        (Vacant::Refuse, true) => b"01",
        (Vacant::Record, false) => b"10",
        (Vacant::Record, true) => b"11",
    };
    let arguments = [request.record.as_bytes(), ttl.as_bytes(), options];
    let script = &store.scripts.complete;
    let answer = store.run_promise(script, key, &arguments, |answer| *answer == Value::Int(1));
    match answer.await.map_err(store_error)? {
        Value::Int(1) => Ok(CompleteOutcome::Recorded),
        Value::Int(0) => Ok(CompleteOutcome::Gone),
        Value::Array(found) => match found.as_slice() {
            [Value::BulkString(value), Value::Int(left)] => {
                Ok(CompleteOutcome::Superseded(entry(value, *left)?))
            }
            _ => Err(store_error(unexpected(&Value::Array(found)))),
        },
        answer => Err(store_error(unexpected(&answer))),
    }
}

/// Replaces the reservation, if it stands there as it was written. If it does not, or if the server
/// is full, the script tells what is to be done.
async fn in_place(store: &Shared, key: &str, request: &Complete<'_>) -> Result<bool, StoreError> {
    let (old, new) = (request.reservation.as_bytes(), request.record.as_bytes());
    let mut command = Cmd::with_capacity(7, key.len() + old.len() + new.len() + 40);
    command.arg("SET").arg(key).arg(new).arg("IFEQ").arg(old);
    command.arg("PX").arg(millis(request.ttl));
    match store.promise(key, &command, |answer| *answer == Value::Okay).await {
        Ok(Value::Okay) => Ok(true),
        Ok(Value::Nil) => Ok(false),
        Ok(answer) => Err(store_error(unexpected(&answer))),
        Err(error)
            if is_out_of_memory(&error) || store.compares.gives_up(Comparing::Set, &error) =>
        {
            Ok(false)
        }
        Err(error) => Err(store_error(error)),
    }
}
