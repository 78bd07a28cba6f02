//! Connections that one user has alone, because it blocks them or subscribes on them.
//!
//! They are not replaced when they are lost, and have no response timeout.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, RedisResult};
#[cfg(feature = "redis-cluster")]
use tokio::time::timeout;

use super::active::ActiveConnections;
#[cfg(feature = "redis-cluster")]
use super::cluster::commands::cluster_slots;
use super::connector::Connector;
use super::limits::Limits;
use super::node::Node;
#[cfg(feature = "redis-cluster")]
use super::request::{Destination, Request};
use super::standalone::{PushSender, connect_multiplexed};
#[cfg(feature = "redis-cluster")]
use crate::backends::redis::error::timed_out;

/// What [`Connector::Existing`] cannot do.
const UNKNOWN_ADDRESS: (ErrorKind, &str) = (
    ErrorKind::InvalidClientConfig,
    "a store built on an existing connection does not know its servers' addresses; build it from a \
     URL or a redis::Client",
);

/// Connects to the primary that a key has now. Messages go to `push_sender`, if there is one.
pub(super) async fn connect_for_key(
    active: &Arc<ActiveConnections>,
    key: &str,
    push_sender: Option<PushSender>,
    limits: Limits,
) -> RedisResult<MultiplexedConnection> {
    let client = client_for_key(active, key, limits).await?;
    connect_multiplexed(&client, active.connector().login(), push_sender, limits).await
}

/// Connects to one primary.
pub(super) async fn connect_to_node(
    active: &Arc<ActiveConnections>,
    node: &Node,
    limits: Limits,
) -> RedisResult<MultiplexedConnection> {
    let client = match active.connector() {
        #[cfg(feature = "redis-cluster")]
        Connector::Cluster(cluster) => cluster.client_at(node)?,
        _ => {
            debug_assert_eq!(*node, Node::Only);
            client_for_key(active, "", limits).await?
        }
    };
    connect_multiplexed(&client, active.connector().login(), None, limits).await
}

/// A client of the primary that a key has now.
#[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async, unused_variables))]
async fn client_for_key(
    active: &Arc<ActiveConnections>,
    key: &str,
    limits: Limits,
) -> RedisResult<Client> {
    match active.connector() {
        Connector::Standalone(server) => Ok(server.client.clone()),
        #[cfg(feature = "redis-sentinel")]
        Connector::Sentinel(group) => group.primary(limits).await,
        #[cfg(feature = "redis-cluster")]
        Connector::Cluster(cluster) => {
            let mut connection = active.get(0).await?.connection;
            let command = cluster_slots();
            let slots = connection.send(Destination::Key(key), Request::Command(&command));
            let slots = timeout(limits.response_timeout, slots).await;
            cluster.client_for_key(key, &slots.unwrap_or_else(|_| Err(timed_out()))?)
        }
        Connector::Existing(_) => Err(UNKNOWN_ADDRESS.into()),
    }
}
