//! One connection, whatever it leads to, and how a question goes out on it.

use std::fmt;

use redis::aio::{ConnectionLike, ConnectionManager, MultiplexedConnection};
use redis::{RedisResult, Value};

use super::Question;

/// A connection, cheap to clone; its clones share it.
#[derive(Clone)]
pub(in crate::store::redis) enum Connection {
    Multiplexed(MultiplexedConnection),
    Manager(ConnectionManager),
    #[cfg(feature = "redis-cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

/// How many connections lead to a server that is not a cluster's.
pub(super) const CONNECTIONS: usize = 3;

/// Who is asked.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "redis-cluster"), allow(dead_code, reason = "there is only one"))]
pub(in crate::store::redis) enum To<'a> {
    /// The primary of a key.
    Key(&'a str),
    Node(&'a Node),
}

/// One server that takes writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store::redis) enum Node {
    /// The only one.
    Only,
    /// One of a cluster's.
    #[cfg(feature = "redis-cluster")]
    At { host: String, port: u16 },
}

impl Connection {
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    pub(super) async fn ask(&mut self, to: To<'_>, what: Question<'_>) -> RedisResult<Value> {
        match self {
            Self::Multiplexed(connection) => match what {
                // By its own method: the trait's puts this future into a box.
                Question::One(command) => {
                    connection.send_packed_command(command).await?.extract_error()
                }
                Question::Many(_) => ask(connection, what).await,
            },
            Self::Manager(connection) => ask(connection, what).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(connection) => super::cluster::ask(connection, to, what).await,
        }
    }

    /// Every primary that it leads to.
    #[cfg_attr(not(feature = "redis-cluster"), allow(clippy::unused_async))]
    pub(super) async fn primaries(self) -> RedisResult<Vec<Node>> {
        match self {
            Self::Multiplexed(_) | Self::Manager(_) => Ok(vec![Node::Only]),
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(mut connection) => super::cluster::primaries(&mut connection).await,
        }
    }
}

async fn ask(connection: &mut impl ConnectionLike, what: Question<'_>) -> RedisResult<Value> {
    match what {
        Question::One(command) => connection.req_packed_command(command).await?.extract_error(),
        Question::Many(commands) => {
            let answers = connection.req_packed_commands(commands, 0, commands.len()).await?;
            Ok(Value::Array(answers))
        }
    }
}

impl To<'_> {
    /// Which part of the questions this is one of: those that go the same way, and are answered or not
    /// together.
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    pub(super) fn part(self, has_slots: bool) -> usize {
        match self {
            #[cfg(feature = "redis-cluster")]
            Self::Key(key) if has_slots => super::cluster::part(key),
            // A key ends with a hash, whose last character stands for half as much as the others.
            Self::Key(key) => key.bytes().nth_back(1).map_or(0, usize::from) % CONNECTIONS,
            Self::Node(_) => 0,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => f.write_str("primary"),
            #[cfg(feature = "redis-cluster")]
            Self::At { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::record::RecordId;
    use crate::store::redis::key::Keys;

    #[test]
    fn keys_use_all_connections_and_each_always_the_same() {
        let keys = Keys::new("idem:".to_owned());
        let part = |n: i32| {
            let id = RecordId::of("shop::charge", None, &n).unwrap();
            To::Key(&keys.of(&id)).part(false)
        };
        let used: BTreeSet<usize> = (0..100).map(part).collect();
        assert_eq!(used, (0..CONNECTIONS).collect());
        assert_eq!(part(7), part(7));
    }
}
