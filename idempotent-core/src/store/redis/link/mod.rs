//! The way to the servers: one question at a time, bounded in time and in number, over connections
//! that are replaced when one of them is lost or silent.
//!
//! [`source`] knows where the servers are and makes connections, [`connection`] asks one of them,
//! [`live`] holds those in use. Who needs a connection of their own, because they block it or
//! subscribe on it, asks for a [`dedicated`](Link::dedicated) one.

#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod health;
mod live;
#[cfg(feature = "redis-sentinel")]
mod sentinel;
mod source;
mod standalone;
#[cfg(feature = "redis-sentinel")]
mod switch;
mod together;

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, PushInfo, RedisError, RedisResult, Value};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

#[cfg(feature = "redis-cluster")]
pub(super) use self::cluster::{Cluster, Range, node, slot};
pub(super) use self::connection::{Connection, Node, To};
use self::health::Health;
use self::live::Live;
#[cfg(feature = "redis-sentinel")]
pub(super) use self::sentinel::Watched;
pub(super) use self::source::Source;
pub(super) use self::standalone::Standalone;
use self::together::Together;
use super::error::{is_demoted, timed_out};

/// How long and how often a link asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The longest that one question may take, waiting for its turn and for a connection included.
    pub(super) response: Duration,
    /// The longest that one attempt to connect may take.
    pub(super) connect: Duration,
    /// How many questions may be on their way at once.
    pub(super) in_flight: usize,
}

/// Whether a question may be asked a second time when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second answer is as good as the first.
    Once,
    /// The second answer would not tell what the first one did.
    Never,
}

/// Who is given the messages that a connection subscribed to.
pub(super) type Listener = UnboundedSender<PushInfo>;

/// What is asked.
#[derive(Clone, Copy)]
pub(super) enum Question<'a> {
    One(&'a Cmd),
    /// Several commands; the answer is an array, errors of single commands included.
    Many(&'a Pipeline),
}

/// The way to the servers.
pub(super) struct Link {
    live: Arc<Live>,
    health: Health,
    turns: Semaphore,
    together: Together,
    limits: Limits,
}

impl Link {
    /// Connects, without a second try.
    pub(super) async fn connect(source: Source, limits: Limits) -> RedisResult<Self> {
        let live = Arc::new(Live::connect(source, limits).await?);
        live.watch();
        let in_flight = limits.in_flight.clamp(1, Semaphore::MAX_PERMITS);
        let (turns, limits) = (Semaphore::new(in_flight), Limits { in_flight, ..limits });
        let (health, together) = (Health::new(limits.response), Together::new());
        Ok(Self { live, health, turns, together, limits })
    }

    /// One command, to the primary of a key.
    pub(super) async fn ask(&self, key: &str, command: &Cmd, repeat: Repeat) -> RedisResult<Value> {
        self.bounded(To::Key(key), Question::One(command), repeat).await
    }

    /// Several commands in a row that only read, to the primary of a key.
    pub(super) async fn read(&self, key: &str, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let answer = self.bounded(To::Key(key), Question::Many(commands), Repeat::Once).await?;
        several(answer)
    }

    /// Several commands in a row that only read, to one node.
    pub(super) async fn read_node(
        &self,
        node: &Node,
        commands: &Pipeline,
    ) -> RedisResult<Vec<Value>> {
        let answer = self.bounded(To::Node(node), Question::Many(commands), Repeat::Once).await?;
        several(answer)
    }

    /// Every primary, in an order that does not change while they stay.
    pub(super) async fn primaries(&self) -> RedisResult<Vec<Node>> {
        let primaries = async { self.live.get(0).await?.connection.primaries().await };
        timeout(self.limits.response, primaries).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// A connection of its own to the primary that a key has now, for who blocks it or subscribes
    /// on it. It is not replaced when it is lost, and bounds none of its answers in time.
    ///
    /// With a `listener`, it speaks RESP3 and gives it every message.
    ///
    /// # Errors
    ///
    /// Also when the store was made of a connection, which does not tell where it leads.
    pub(super) async fn dedicated(
        &self,
        key: &str,
        listener: Option<Listener>,
    ) -> RedisResult<MultiplexedConnection> {
        self.live.source.dedicated(&self.live, key, listener, self.limits).await
    }

    /// A connection of its own to one primary. It is not replaced when it is lost, and bounds none of
    /// its answers in time.
    pub(super) async fn dedicated_to(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        self.live.source.dedicated_to(&self.live, node, self.limits).await
    }

    /// Which primary has which slots; `None` if one primary has all keys.
    #[cfg(feature = "redis-cluster")]
    pub(super) async fn slots(&self) -> RedisResult<Option<Vec<Range>>> {
        let Source::Cluster(cluster) = &self.live.source else { return Ok(None) };
        let ask = async { cluster.slots(self.live.get(0).await?.connection, self.limits).await };
        timeout(self.limits.response, ask).await.unwrap_or_else(|_| Err(timed_out())).map(Some)
    }

    /// Whether different keys may have different primaries.
    #[cfg(feature = "redis-cluster")]
    pub(super) fn has_slots(&self) -> bool {
        self.live.source.has_slots()
    }

    /// Changes whenever the link leaves a connection for another, as after a failover.
    pub(super) fn generation(&self) -> u64 {
        self.live.generation()
    }

    /// The limits that it keeps.
    pub(super) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether [`dedicated`](Self::dedicated) connections are to be had.
    pub(super) fn can_dedicate(&self) -> bool {
        self.live.source.can_connect()
    }

    async fn bounded(&self, to: To<'_>, what: Question<'_>, repeat: Repeat) -> RedisResult<Value> {
        let part = to.part(self.live.source.has_slots());
        match timeout(self.limits.response, self.repeated(part, to, what, repeat)).await {
            Ok(answer) => {
                self.health.answered(part);
                answer
            }
            Err(_) => {
                if self.health.is_silent(part) {
                    self.live.lose_if_older(self.limits.response);
                }
                Err(self.live.error_while_down().unwrap_or_else(timed_out))
            }
        }
    }

    async fn repeated(
        &self,
        part: usize,
        to: To<'_>,
        what: Question<'_>,
        repeat: Repeat,
    ) -> RedisResult<Value> {
        let _turn = match self.turns.try_acquire() {
            Ok(turn) => Ok(turn),
            // Boxed, so that only who waits has room for it. Fails only when it is closed, which
            // nobody does.
            Err(_) => Box::pin(self.turns.acquire()).await,
        };
        let mut tries_left = if repeat == Repeat::Once { 1 } else { 0 };
        loop {
            let mut used = self.live.get(part).await?;
            let ask = pin!(used.connection.ask(to, what));
            let answer = self.together.send(ask, self.is_alone()).await;
            let Err(error) = &answer else { return answer };
            let lost = is_lost(error) && self.live.lose(used.generation, error);
            if !lost || tries_left == 0 {
                return answer;
            }
            tries_left -= 1;
        }
    }

    /// Whether the question that is being asked is the only one on its way.
    fn is_alone(&self) -> bool {
        self.turns.available_permits() + 1 >= self.limits.in_flight
    }
}

/// Whether another connection may fare better.
fn is_lost(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || is_demoted(error)
}

fn several(answer: Value) -> RedisResult<Vec<Value>> {
    match answer {
        Value::Array(answers) => Ok(answers),
        other => Err(super::error::unexpected(&other)),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("source", &self.live.source)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
