//! Whether the servers can serve calls: a write that finds nothing to change.

use redis::{Cmd, Pipeline, Value};

use super::connection::Retry;
use super::error::{store_error, unexpected};
use super::shared::Shared;
use crate::store::{Degradation, StoreError, StoreHealth};

const ASKED: &str = "SET … XX";

/// The name of a key that is never written: the keys of records contain a hash.
const NOTHING: &str = "check";

pub(super) async fn check(store: &Shared) -> Result<StoreHealth, StoreError> {
    // A replica, or a server that may not or cannot write, refuses it, though it would write nothing.
    let key = format!("{}{NOTHING}", store.keys.prefix());
    let mut command = Cmd::new();
    command.arg("SET").arg(&key).arg("").arg("XX");
    match store.client.send(&key, &command, Retry::Once).await.map_err(store_error)? {
        Value::Nil | Value::Okay => {}
        answer => return Err(store_error(unexpected(&answer))),
    }
    let nodes = store.client.primaries().await.map_err(store_error)?;
    let others = if nodes.len() > 1 { &*nodes } else { &[] };
    for node in others {
        let mut ping = Pipeline::with_capacity(1);
        ping.cmd("PING");
        for answer in store.client.send_all_to_node(node, &ping).await.map_err(store_error)? {
            answer.extract_error().map_err(store_error)?;
        }
    }
    let health = StoreHealth::new(ASKED);
    Ok(if store.notifier.is_deaf() {
        health.degraded_by(Degradation::NoNotifications)
    } else {
        health
    })
}
