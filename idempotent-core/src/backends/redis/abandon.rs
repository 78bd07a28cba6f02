//! Marking a reservation whose owner no longer works on it.

use redis::Value;

use super::connection::Retry;
use super::error::{store_error, unexpected};
use super::lifetime::grace;
use super::script::ScriptKeys;
use super::shared::Shared;
use crate::store::{Abandon, StoreError};

/// A write that a failover undoes costs nothing but time: the reservation lapses with its lease.
pub(super) async fn abandon(store: &Shared, request: &Abandon<'_>) -> Result<(), StoreError> {
    let key = store.keys.of(request.id);
    // What is left once the lease has lapsed: nothing under *at least once*.
    let left = request.ends_lease().then(|| grace(request.record).to_string());
    let left = left.unwrap_or_default();
    let arguments = [request.record.as_bytes(), left.as_bytes()];
    let keys = ScriptKeys::of_record(&key);
    let answer = store.run(&store.scripts.abandon, keys, &arguments, Retry::Once).await;
    match answer.map_err(store_error)? {
        Value::Int(_) => Ok(()),
        answer => Err(store_error(unexpected(&answer))),
    }
}
