//! One connection, to whatever kind of deployment, and how a request is sent on it.

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::{Cmd, RedisResult, Value};

#[cfg(feature = "redis-cluster")]
use super::cluster::commands;
use super::node::Node;
use super::request::{Destination, Request};

/// A connection. It is cheap to clone, and its clones share it.
#[derive(Clone)]
pub(in crate::backends::redis) enum AnyConnection {
    Multiplexed(MultiplexedConnection),
    Manager(ConnectionManager),
    #[cfg(feature = "redis-cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl AnyConnection {
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    pub(super) async fn send(
        &mut self,
        destination: Destination<'_>,
        request: Request<'_>,
    ) -> RedisResult<Value> {
        match self {
            Self::Multiplexed(connection) => match request {
                // By its own method: that of the trait would box the future.
                Request::Command(command) => {
                    connection.send_packed_command(command).await?.extract_error()
                }
                Request::Pipeline(_) => send(connection, request).await,
            },
            Self::Manager(connection) => send(connection, request).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => commands::send(connection, destination, request).await,
        }
    }

    /// Ends a connection that reconnects by itself, but only after it was lost: it then leads to the server that
    /// has the name now.
    pub(super) async fn reconnect(&mut self) {
        let Self::Manager(connection) = self else { return };
        for name in ["QUIT", "PING"] {
            let mut command = Cmd::new();
            command.arg(name);
            // The server hangs up after the first one, which the second one finds out.
            let _ = send(connection, Request::Command(&command)).await;
        }
    }

    /// Every primary that it leads to.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async))]
    pub(super) async fn primaries(self) -> RedisResult<Vec<Node>> {
        match self {
            Self::Multiplexed(_) | Self::Manager(_) => Ok(vec![Node::Only]),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(mut connection) => commands::primaries(&mut connection).await,
        }
    }
}

async fn send(connection: &mut impl ConnectionLike, request: Request<'_>) -> RedisResult<Value> {
    match request {
        Request::Command(command) => connection.req_packed_command(command).await?.extract_error(),
        Request::Pipeline(commands) => {
            let answers = connection.req_packed_commands(commands, 0, commands.len()).await?;
            Ok(Value::Array(answers))
        }
    }
}
