//! Makes connections to the servers, wherever they are.

use std::fmt;

use redis::{Client, RedisResult};

use super::any_connection::AnyConnection;
#[cfg(feature = "redis-cluster")]
use super::cluster::ClusterConnector;
use super::credentials::ChangingLogin;
use super::limits::Limits;
use super::partition::CONNECTIONS;
#[cfg(feature = "redis-sentinel")]
use super::sentinel::SentinelConnector;
use super::standalone::{StandaloneConnector, connect_multiplexed};

/// Where the servers are.
pub(in crate::backends::redis) enum Connector {
    Standalone(StandaloneConnector),
    #[cfg(feature = "redis-sentinel")]
    Sentinel(Box<SentinelConnector>),
    #[cfg(feature = "redis-cluster")]
    Cluster(Box<ClusterConnector>),
    /// The application's own connection, which does not tell.
    Existing(AnyConnection),
}

impl Connector {
    /// Makes connections that all lead to the same server, or to the same cluster.
    pub(super) async fn connect(&self, limits: Limits) -> RedisResult<Vec<AnyConnection>> {
        let connected = self.try_connect(limits).await;
        connected.map_err(|error| {
            // A cluster's error says only that no node could be reached.
            self.login().and_then(ChangingLogin::take_failure).unwrap_or(error)
        })
    }

    async fn try_connect(&self, limits: Limits) -> RedisResult<Vec<AnyConnection>> {
        let login = self.login();
        match self {
            Self::Standalone(server) => connect_several(&server.client, login, limits).await,
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => {
                connect_several(&group.primary(limits).await?, login, limits).await
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => {
                Ok(vec![AnyConnection::Cluster(cluster.connect(limits).await?)])
            }
            Self::Existing(connection) => Ok(vec![connection.clone()]),
        }
    }

    /// The login, if it changes.
    pub(super) fn login(&self) -> Option<&ChangingLogin> {
        match self {
            Self::Standalone(server) => server.login.as_ref(),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => group.changing_login(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.login(),
            Self::Existing(_) => None,
        }
    }

    /// The servers, for people: without a user or a password.
    pub(in crate::backends::redis) fn servers(&self) -> String {
        match self {
            Self::Standalone(server) => server.server(),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => group.servers(),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.servers(),
            Self::Existing(_) => "redis on the application's connection".to_owned(),
        }
    }

    /// Whether it can make another connection.
    pub(super) const fn can_connect(&self) -> bool {
        !matches!(self, Self::Existing(_))
    }

    /// Whether its connections usually reconnect by themselves.
    pub(super) const fn reconnects_itself(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => true,
            Self::Existing(connection) => !matches!(connection, AnyConnection::Multiplexed(_)),
            _ => false,
        }
    }

    /// Whether different keys may have different primaries.
    pub(super) const fn has_slots(&self) -> bool {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) | Self::Existing(AnyConnection::Cluster(_)) => true,
            _ => false,
        }
    }
}

/// Makes the connections that calls share by their keys.
///
/// With many calls at once over one connection, the tasks here and the server take turns: each is idle
/// while the other works through everything that arrived in one read. With several connections, the
/// server answers some calls while other calls are made here.
async fn connect_several(
    client: &Client,
    login: Option<&ChangingLogin>,
    limits: Limits,
) -> RedisResult<Vec<AnyConnection>> {
    let mut connections = Vec::with_capacity(CONNECTIONS);
    while connections.len() < CONNECTIONS {
        let connection = connect_multiplexed(client, login, None, limits).await?;
        connections.push(AnyConnection::Multiplexed(connection));
    }
    Ok(connections)
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone(server) => server.fmt(f),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel(group) => group.fmt(f),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.fmt(f),
            Self::Existing(_) => f.write_str("Existing"),
        }
    }
}
