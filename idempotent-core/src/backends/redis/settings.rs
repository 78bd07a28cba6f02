//! What each server says about itself, for tools.

use std::collections::BTreeMap;

use redis::{Pipeline, Value};

use super::connection::Node;
use super::error::store_error;
use super::server_info::{setting, text, unless_fatal};
use super::shared::Shared;
use crate::backends::shared::server_settings::ServerSettings;
use crate::store::StoreError;

/// The settings that matter to records.
const SETTINGS: [&str; 7] = [
    "save",
    "appendfsync",
    "maxmemory",
    "min-replicas-to-write",
    "cluster-node-timeout",
    "cluster-replica-validity-factor",
    "replica-serve-stale-data",
];

/// Asks every primary.
pub(super) async fn settings(store: &Shared) -> Result<Vec<ServerSettings>, StoreError> {
    let mut servers = Vec::new();
    for node in store.client.primaries().await.map_err(store_error)? {
        servers.push(of_node(store, &node).await?);
    }
    Ok(servers)
}

async fn of_node(store: &Shared, node: &Node) -> Result<ServerSettings, StoreError> {
    let mut commands = Pipeline::with_capacity(2 + SETTINGS.len());
    commands.cmd("INFO");
    commands.cmd("TIME");
    for name in SETTINGS {
        commands.cmd("CONFIG").arg("GET").arg(name);
    }
    let answers = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or_default();
    let mut values = BTreeMap::new();
    let info = text(unless_fatal(next())?).unwrap_or_default();
    for (name, value) in info.lines().filter_map(|line| line.split_once(':')) {
        values.insert(name.to_owned(), value.trim().to_owned());
    }
    if let Some(seconds) = unix_time(next()) {
        values.insert("time".to_owned(), format!("{seconds:.6}"));
    }
    for name in SETTINGS {
        if let Some(value) = setting(next()) {
            values.insert(name.to_owned(), value);
        }
    }
    let server = if *node == Node::Only { store.servers.clone() } else { node.to_string() };
    Ok(ServerSettings { server, values })
}

/// The answer to `TIME`, in seconds.
fn unix_time(answer: Value) -> Option<f64> {
    let (seconds, micros): (f64, f64) = redis::from_redis_value(answer).ok()?;
    Some(seconds + micros / 1_000_000.0)
}
