//! Renewing: the key gets more time, and its value stays the same. A renewal waits neither for a free place in
//! flight nor for replicas.

use redis::{Cmd, Value};

use super::compare::CompareCommand;
use super::error::{is_out_of_memory, store_error, unexpected};
use super::lifetime::{grace, lifetime};
use super::shared::Shared;
use crate::model::Guarantee;
use crate::store::{Renew, RenewOutcome, StoreError};

pub(super) async fn renew(store: &Shared, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
    let key = store.keys.of(request.id);
    // Under *at most once* a lapsed reservation is still there, and only a script can tell.
    if store.compare.has(CompareCommand::Set)
        && request.reservation.guarantee() == Guarantee::AtLeastOnce
    {
        if let Some(outcome) = by_command(store, &key, request).await? {
            return Ok(outcome);
        }
    }
    let token = request.reservation.token();
    let lifetime = lifetime(request.reservation, request.lease).to_string();
    let grace = grace(request.reservation).to_string();
    let arguments = [&token.as_bytes()[..], lifetime.as_bytes(), grace.as_bytes()];
    match store.run_first(&store.scripts.renew, &key, &arguments).await.map_err(store_error)? {
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
        Ok(Value::Nil) => Ok(Some(RenewOutcome::Lost)),
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
