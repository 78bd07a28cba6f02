//! Where the servers are, and how a connection to them is made.

use std::fmt;
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, RedisResult};

use super::connection::CONNECTIONS;
use super::live::Live;
use super::{Connection, Limits, Listener, Node, Standalone, standalone};

/// Where the servers are.
pub(in crate::store::redis) enum Source {
    Standalone(Standalone),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(super::Watched),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<super::Cluster>),
    /// The application's own connection: it knows.
    Given(Connection),
}

impl Source {
    /// Connections that lead to the same server, or the same cluster.
    pub(super) async fn connect(&self, limits: Limits) -> RedisResult<Vec<Connection>> {
        match self {
            Self::Standalone(server) => several(&server.0, limits).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => several(&group.primary(limits).await?, limits).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => Ok(vec![Connection::Cluster(cluster.connect(limits).await?)]),
            Self::Given(connection) => Ok(vec![connection.clone()]),
        }
    }

    /// Whether there is another connection to be had.
    pub(super) const fn can_connect(&self) -> bool {
        !matches!(self, Self::Given(_))
    }

    /// Whether its connections find their way back by themselves, as a rule.
    pub(super) const fn heals_itself(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => true,
            Self::Given(connection) => !matches!(connection, Connection::Multiplexed(_)),
            _ => false,
        }
    }

    /// Whether different keys may have different primaries.
    pub(super) const fn has_slots(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) | Self::Given(Connection::Cluster(_)) => true,
            _ => false,
        }
    }

    pub(super) async fn dedicated(
        &self,
        live: &Arc<Live>,
        key: &str,
        listener: Option<Listener>,
        limits: Limits,
    ) -> RedisResult<MultiplexedConnection> {
        let client = self.client(live, key, limits).await?;
        standalone::multiplexed(&client, listener, limits).await
    }

    /// A connection of its own to one primary.
    pub(super) async fn dedicated_to(
        &self,
        live: &Arc<Live>,
        node: &Node,
        limits: Limits,
    ) -> RedisResult<MultiplexedConnection> {
        let client = match self {
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.client_at(node)?,
            _ => {
                debug_assert_eq!(*node, Node::Only);
                self.client(live, "", limits).await?
            }
        };
        standalone::multiplexed(&client, None, limits).await
    }

    /// A client of the primary that a key has now.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async, unused_variables))]
    async fn client(&self, live: &Arc<Live>, key: &str, limits: Limits) -> RedisResult<Client> {
        match self {
            Self::Standalone(server) => Ok(server.0.clone()),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => group.primary(limits).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => {
                let connection = live.get(0).await?.connection;
                cluster.client_of(connection, key, limits).await
            }
            Self::Given(_) => Err((
                ErrorKind::InvalidClientConfig,
                "a connection does not tell where it leads: make the store of a url or a client",
            )
                .into()),
        }
    }
}

/// Some, which calls share by their keys. With many calls at once over one connection the tasks and the
/// server take turns, each idle while the other works through all that came in one read. Over several,
/// the server answers some calls while others are at work here.
async fn several(client: &Client, limits: Limits) -> RedisResult<Vec<Connection>> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    while connections.len() < CONNECTIONS {
        let connection = standalone::multiplexed(client, None, limits).await?;
        connections.push(Connection::Multiplexed(connection));
    }
    Ok(connections)
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone(server) => server.fmt(f),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => group.fmt(f),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.fmt(f),
            Self::Given(_) => f.write_str("Given"),
        }
    }
}
