//! Vouching for a reservation that stands there already, as when the answer to its `SET` was lost.
//!
//! `WAIT` counts what its own connection wrote: after a mere read it says at once that everybody has
//! it, also of a write that never left. So the reservation is written anew, exactly as it is, by a
//! script that compares its token: it touches nobody else's record, and neither prolongs nor revives
//! one. A completed record is written anew by the script that completes.

use redis::Value;

use crate::record::Record;
use crate::store::StoreError;
use crate::store::redis::error::{store_error, unexpected};
use crate::store::redis::look::grace;
use crate::store::redis::shared::Shared;

/// Whether a reservation still stands there, and enough replicas have it. Without a need for
/// replicas, to have seen it is enough.
pub(in crate::store::redis) async fn confirm(
    store: &Shared,
    key: &str,
    reservation: &Record,
) -> Result<bool, StoreError> {
    if store.replicas.is_none() {
        return Ok(true);
    }
    let token = reservation.token();
    let grace = grace(reservation).to_string();
    let arguments = [&token.as_bytes()[..], grace.as_bytes()];
    let written = store.run_promise(&store.scripts.confirm, key, &arguments, is_written).await;
    match written.map_err(store_error)? {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        answer => Err(store_error(unexpected(&answer))),
    }
}

fn is_written(answer: &Value) -> bool {
    *answer == Value::Int(1)
}
