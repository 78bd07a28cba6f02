//! Correcting: a script, since it is rare.

use redis::Value;

use super::error::{store_error, unexpected};
use super::lifetime::millis;
use super::script::ScriptKeys;
use super::shared::Shared;
use crate::store::{Correct, CorrectOutcome, StoreError};

pub(super) async fn correct(
    store: &Shared,
    request: &Correct<'_>,
) -> Result<CorrectOutcome, StoreError> {
    let key = store.keys.of(request.id);
    let ttl = millis(request.ttl).to_string();
    let arguments = [request.seen.as_bytes(), request.record.as_bytes(), ttl.as_bytes()];
    let script = &store.scripts.correct;
    let keys = ScriptKeys::of_record(&key);
    let answer = store.run_replicated(script, keys, &arguments, |answer| *answer == Value::Int(1));
    match answer.await.map_err(store_error)? {
        Value::Int(1) => Ok(CorrectOutcome::Corrected),
        Value::Int(0) => Ok(CorrectOutcome::Changed),
        answer => Err(store_error(unexpected(&answer))),
    }
}
