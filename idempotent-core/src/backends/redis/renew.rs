//! Renewing: the key gets more time, and its value stays the same. A renewal waits neither for a free place in
//! flight nor for replicas.

use redis::{Cmd, Value};

use super::compare::CompareCommand;
use super::error::{is_out_of_memory, store_error, unexpected};
use super::key::journal_of;
use super::lifetime::{lifetime, millis};
use super::script::{NEEDS_JOURNAL, ScriptKeys};
use super::shared::Shared;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Shared, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let key = store.keys.of(request.id);
    let reservation = request.reservation;
    // Under *at most once* a lapsed reservation is still there, and only a script can tell. Where a call has steps,
    // there are two keys.
    let mut may_have_journal = reservation.has_journal();
    if store.compare.has(CompareCommand::Set) && !reservation.keeps_lapsed() {
        if let Some(outcome) = by_command(store, &key, request).await? {
            return Ok(outcome);
        }
        may_have_journal = true;
    }
    // The script goes by the record that is there: it may have got a journal since this was sent.
    let (token, lease) = (reservation.token(), millis(request.lease).to_string());
    let arguments = [&token.as_bytes()[..], lease.as_bytes()];
    let journal = may_have_journal.then(|| journal_of(&key));
    let keys = ScriptKeys::with(&key, journal.as_deref(), None);
    let script = &store.scripts.renew;
    let mut answer = store.run_first(script, keys, &arguments).await.map_err(store_error)?;
    if answer == Value::Int(NEEDS_JOURNAL) {
        let journal = journal_of(&key);
        let keys = ScriptKeys::with(&key, Some(&journal), None);
        let again = Box::pin(store.run_first(script, keys, &arguments));
        answer = again.await.map_err(store_error)?;
    }
    match answer {
        Value::Int(1) => Ok(RenewOutcome::Renewed),
        Value::Int(0) => Ok(RenewOutcome::Lost),
        answer => Err(store_error(unexpected(&answer))),
    }
}

/// Writes the same value with more time; `None` if only the script can do it.
async fn by_command(
    store: &Shared,
    key: &str,
    request: &Renew<'_>,
) -> Result<Option<RenewOutcome>, StoreError> {
    let value = request.reservation.as_bytes();
    let mut command = Cmd::with_capacity(7, key.len() + 2 * value.len() + 40);
    command.arg("SET").arg(key).arg(value).arg("IFEQ").arg(value);
    command.arg("PX").arg(lifetime(request.reservation, request.lease));
    match store.write_first(key, &command).await {
        Ok(Value::Okay) => Ok(Some(RenewOutcome::Renewed)),
        // It is lost, or its call has got a journal.
        Ok(Value::Nil) => Ok(None),
        Ok(answer) => Err(store_error(unexpected(&answer))),
        Err(error)
            if is_out_of_memory(&error)
                || store.compare.disable_if_unknown(CompareCommand::Set, &error) =>
        {
            Ok(None)
        }
        Err(error) => Err(store_error(error)),
    }
}
