//! Releasing and purging: both make a key vacant.

use redis::{Cmd, Value};

use super::compare::CompareCommand;
use super::connection::Retry;
use super::error::{store_error, unexpected};
use super::key::journal_of;
use super::script::{NEEDS_JOURNAL, ScriptKeys};
use super::shared::Shared;
use crate::model::{Guarantee, RecordId};
use crate::store::{Release, StoreError};

pub(super) async fn release(store: &Shared, request: &Release<'_>) -> Result<(), StoreError> {
    let key = store.keys.of(request.id);
    // Under *at most once* a lapsed reservation is still there, and only a script can tell.
    let by_value =
        request.indeterminate || request.reservation.guarantee() == Guarantee::AtLeastOnce;
    // Nobody deletes a journal in this way, or leaves an entry in the index.
    let reservation = request.reservation;
    let by_value = by_value && !reservation.has_journal() && !reservation.has_input();
    if !(by_value && store.compare.has(CompareCommand::Delete)) {
        return by_script(store, request, &key).await;
    }
    if by_command(store, &key, request).await? {
        return Ok(());
    }
    Box::pin(store.bounded(by_script(store, request, &key))).await
}

async fn by_script(store: &Shared, request: &Release<'_>, key: &str) -> Result<(), StoreError> {
    let token = request.reservation.token();
    let lapsed_too: &[u8] = if request.indeterminate { b"1" } else { b"0" };
    let has_input = request.reservation.has_input();
    let due = has_input.then(|| store.keys.due_of(request.id, key));
    let keys = ScriptKeys::with(key, None, due.as_deref());
    let arguments = [&token.as_bytes()[..], lapsed_too, store.keys.due_entry(key).as_bytes()];
    let arguments = if has_input { &arguments[..] } else { &arguments[..2] };
    let answer = store.run(&store.scripts.release, keys, arguments, Retry::Once).await;
    match answer.map_err(store_error)? {
        Value::Int(_) => Ok(()),
        answer => Err(store_error(unexpected(&answer))),
    }
}

/// Deletes the reservation, if it is there unchanged. Returns whether the server knows the command.
async fn by_command(store: &Shared, key: &str, request: &Release<'_>) -> Result<bool, StoreError> {
    let value = request.reservation.as_bytes();
    let mut command = Cmd::with_capacity(3, key.len() + value.len() + 7);
    command.arg("DELIFEQ").arg(key).arg(value);
    match store.write(key, &command, Retry::Once).await {
        Ok(Value::Int(_)) => Ok(true),
        Ok(answer) => Err(store_error(unexpected(&answer))),
        Err(error) if store.compare.disable_if_unknown(CompareCommand::Delete, &error) => Ok(false),
        Err(error) => Err(store_error(error)),
    }
}

pub(super) async fn purge(store: &Shared, id: &RecordId) -> Result<bool, StoreError> {
    let (key, script) = (store.keys.of(id), &store.scripts.purge);
    let keys = ScriptKeys::of_record(&key);
    // The answer to a second purge would be that there was nothing.
    let mut answer = store.run(script, keys, &[], Retry::Never).await.map_err(store_error)?;
    if answer == Value::Int(NEEDS_JOURNAL) {
        let (journal, due) = (journal_of(&key), store.keys.due_of(id, &key));
        let keys = ScriptKeys::with(&key, Some(&journal), Some(&due));
        let arguments = [store.keys.due_entry(&key).as_bytes()];
        answer = store.run(script, keys, &arguments, Retry::Never).await.map_err(store_error)?;
    }
    match answer {
        Value::Int(removed) => Ok(removed > 0),
        answer => Err(store_error(unexpected(&answer))),
    }
}
