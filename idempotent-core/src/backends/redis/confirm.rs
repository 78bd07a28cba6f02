//! Confirms a reservation that is there already, as when the answer to its `SET` was lost.
//!
//! `WAIT` counts what its own connection wrote: after a mere read it answers at once that all replicas
//! have it, even if the write has not left the primary. So the reservation is written again, unchanged,
//! by a script that compares its token: it touches nobody else's record, and neither prolongs nor revives
//! one. A completed record is written again by the script that completes.

use redis::Value;

use super::error::{store_error, unexpected};
use super::script::ScriptKeys;
use super::shared::Shared;
use crate::model::Record;
use crate::store::StoreError;

/// Whether a reservation is still there, and enough replicas have it. If replicas do not matter, it is
/// enough that it was seen.
pub(super) async fn confirm(
    store: &Shared,
    key: &str,
    reservation: &Record,
) -> Result<bool, StoreError> {
    if store.replicas.is_none() {
        return Ok(true);
    }
    let token = reservation.token();
    let (keys, arguments) = (ScriptKeys::of_record(key), [&token.as_bytes()[..]]);
    let written = store.run_replicated(&store.scripts.confirm, keys, &arguments, is_written).await;
    match written.map_err(store_error)? {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        answer => Err(store_error(unexpected(&answer))),
    }
}

fn is_written(answer: &Value) -> bool {
    *answer == Value::Int(1)
}
