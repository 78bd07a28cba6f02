//! Sends commands to the servers: each within its time, never more than so many at once, and again
//! over another connection if the first one is lost.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::{Semaphore, TryAcquireError, watch};
use tokio::time::timeout;

use super::active::{ActiveConnection, ActiveConnections};
#[cfg(feature = "redis-cluster")]
use super::cluster::{SlotRange, commands::cluster_slots};
use super::connector::Connector;
use super::dedicated;
use super::health::Health;
use super::limits::Limits;
use super::node::Node;
use super::partition::partition_of;
use super::request::{Destination, Request, Retry};
#[cfg(feature = "redis-sentinel")]
use super::sentinel::failover::Watch;
use super::standalone::PushSender;
use super::write_coalescing::WriteCoalescer;
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::error::{closed, is_demoted, may_be_replaced, timed_out, unexpected};

/// How old connections are at least before they are replaced because another server may have the name by now.
const MAY_BE_REPLACED_AFTER: Duration = Duration::from_secs(1);

/// What a semaphore can count, and what [`Client::drain`] can acquire.
const MAX_IN_FLIGHT: usize = if Semaphore::MAX_PERMITS < u32::MAX as usize {
    Semaphore::MAX_PERMITS
} else {
    u32::MAX as usize
};

/// A store's client of its servers.
pub(in crate::backends::redis) struct Client {
    active: Arc<ActiveConnections>,
    health: Health,
    in_flight: Semaphore,
    coalescer: WriteCoalescer,
    limits: Limits,
    #[cfg(feature = "redis-sentinel")]
    sentinels: Watch,
    #[cfg(feature = "redis-sentinel")]
    tasks: Arc<BackgroundTasks>,
}

impl Client {
    /// A client that has not connected yet.
    pub(in crate::backends::redis) fn new(
        connector: Connector,
        limits: Limits,
        tasks: &Arc<BackgroundTasks>,
    ) -> Self {
        let active = Arc::new(ActiveConnections::new(connector, limits, Arc::clone(tasks)));
        let permits = limits.in_flight.clamp(1, MAX_IN_FLIGHT);
        Self {
            active,
            health: Health::new(limits.response_timeout),
            in_flight: Semaphore::new(permits),
            coalescer: WriteCoalescer::new(tasks),
            limits: Limits { in_flight: permits, ..limits },
            #[cfg(feature = "redis-sentinel")]
            sentinels: Watch::default(),
            #[cfg(feature = "redis-sentinel")]
            tasks: Arc::clone(tasks),
        }
    }

    /// Connects, in one attempt, unless there are connections.
    pub(in crate::backends::redis) async fn connect(&self) -> RedisResult<()> {
        self.active.connect().await?;
        self.watch_sentinels();
        Ok(())
    }

    /// Has the sentinels watched. Whoever did may have ended with its runtime.
    #[cfg(feature = "redis-sentinel")]
    fn watch_sentinels(&self) {
        self.sentinels.start(&self.active, self.limits, &self.tasks);
    }

    #[cfg(not(feature = "redis-sentinel"))]
    const fn watch_sentinels(&self) {}

    /// The servers, for people.
    pub(in crate::backends::redis) fn servers(&self) -> String {
        self.active.connector().servers()
    }

    /// Sends one command to the primary of a key.
    // No `async fn`, which would be polled on the way to the other one for nothing.
    pub(in crate::backends::redis) fn send(
        &self,
        key: &str,
        command: &Cmd,
        retry: Retry,
    ) -> impl Future<Output = RedisResult<Value>> {
        self.send_in_time(Destination::Key(key), Request::Command(command), retry, false)
    }

    /// The same, twice if need be, for a command that a lease depends on: it does not wait for a free place in
    /// flight.
    pub(in crate::backends::redis) async fn send_first(
        &self,
        key: &str,
        command: &Cmd,
    ) -> RedisResult<Value> {
        let request = Request::Command(command);
        self.send_in_time(Destination::Key(key), request, Retry::Once, true).await
    }

    /// Sends several commands that may be repeated to the primary of a key.
    pub(in crate::backends::redis) async fn send_all(
        &self,
        key: &str,
        commands: &Pipeline,
    ) -> RedisResult<Vec<Value>> {
        let (destination, request) = (Destination::Key(key), Request::Pipeline(commands));
        answers(self.send_in_time(destination, request, Retry::Once, false).await?)
    }

    /// Sends several commands that may be repeated to one node.
    pub(in crate::backends::redis) async fn send_all_to_node(
        &self,
        node: &Node,
        commands: &Pipeline,
    ) -> RedisResult<Vec<Value>> {
        let (destination, request) = (Destination::Node(node), Request::Pipeline(commands));
        answers(self.send_in_time(destination, request, Retry::Once, false).await?)
    }

    /// Every primary, in an order that stays the same as long as they do.
    pub(in crate::backends::redis) async fn primaries(&self) -> RedisResult<Vec<Node>> {
        let primaries = async { self.active.get(0).await?.connection.primaries().await };
        timeout(self.limits.response_timeout, primaries).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Opens a dedicated connection to the primary that a key has now. It is not replaced when it is
    /// lost, and has no response timeout.
    ///
    /// With a `push_sender`, it speaks RESP3 and passes every message on.
    ///
    /// # Errors
    ///
    /// Also if the store was built on an existing connection, which does not tell the address.
    pub(in crate::backends::redis) async fn connect_for_key(
        &self,
        key: &str,
        push_sender: Option<PushSender>,
    ) -> RedisResult<MultiplexedConnection> {
        dedicated::connect_for_key(&self.active, key, push_sender, self.limits).await
    }

    /// Opens a dedicated connection to one primary. It is not replaced when it is lost, and has no
    /// response timeout.
    pub(in crate::backends::redis) async fn connect_to_node(
        &self,
        node: &Node,
    ) -> RedisResult<MultiplexedConnection> {
        dedicated::connect_to_node(&self.active, node, self.limits).await
    }

    /// Whether it can open dedicated connections.
    pub(in crate::backends::redis) fn can_connect(&self) -> bool {
        self.active.connector().can_connect()
    }

    /// Asks which primary has which slots; `None` if one primary has all keys.
    #[cfg(feature = "redis-cluster")]
    pub(in crate::backends::redis) async fn slot_ranges(
        &self,
    ) -> RedisResult<Option<Vec<SlotRange>>> {
        let Connector::Cluster(cluster) = self.active.connector() else { return Ok(None) };
        let command = cluster_slots();
        let slots = async {
            let mut connection = self.active.get(0).await?.connection;
            connection.send(Destination::Node(&Node::Only), Request::Command(&command)).await
        };
        let slots = timeout(self.limits.response_timeout, slots).await;
        cluster.slot_ranges(&slots.unwrap_or_else(|_| Err(timed_out()))?).map(Some)
    }

    /// Whether different keys may have different primaries.
    #[cfg(feature = "redis-cluster")]
    pub(in crate::backends::redis) fn has_slots(&self) -> bool {
        self.active.connector().has_slots()
    }

    /// Changes whenever the connections are replaced, as after a failover.
    pub(in crate::backends::redis) fn generation(&self) -> u64 {
        self.active.generation()
    }

    /// Hears from now on whenever the connections are replaced.
    pub(in crate::backends::redis) fn replaced(&self) -> watch::Receiver<()> {
        self.active.replaced()
    }

    /// Looks for the servers again, unless the connections are new: another one may have the name by now.
    pub(in crate::backends::redis) fn look_for_primary(&self) {
        self.active.look_again_if_older_than(MAY_BE_REPLACED_AFTER);
    }

    pub(in crate::backends::redis) const fn limits(&self) -> Limits {
        self.limits
    }

    /// Waits for the commands in flight, for as long as one of them may take.
    pub(in crate::backends::redis) async fn drain(&self) {
        let permits = u32::try_from(self.limits.in_flight).unwrap_or(u32::MAX);
        // Fails if the client is closed already, and then nothing is in flight.
        let _ = timeout(self.limits.response_timeout, self.in_flight.acquire_many(permits)).await;
    }

    /// Drops the connections, and fails every command from now on.
    pub(in crate::backends::redis) fn close(&self) {
        self.in_flight.close();
        self.active.close();
        self.coalescer.close();
    }

    async fn send_in_time(
        &self,
        destination: Destination<'_>,
        request: Request<'_>,
        retry: Retry,
        is_first: bool,
    ) -> RedisResult<Value> {
        let partition = partition_of(destination, self.active.connector().has_slots());
        // By reference, so that it is not moved into the timer's future.
        let send = pin!(self.send_with_retry(partition, destination, request, retry, is_first));
        match timeout(self.limits.response_timeout, send).await {
            Ok(answer) => {
                self.health.answered(partition);
                answer
            }
            Err(_) => {
                if self.health.is_silent(partition) {
                    self.active.replace_if_older_than(self.limits.response_timeout);
                }
                Err(self.active.error_while_down().unwrap_or_else(timed_out))
            }
        }
    }

    async fn send_with_retry(
        &self,
        partition: usize,
        destination: Destination<'_>,
        request: Request<'_>,
        retry: Retry,
        is_first: bool,
    ) -> RedisResult<Value> {
        let _permit = match self.in_flight.try_acquire() {
            Ok(permit) => Some(permit),
            Err(TryAcquireError::NoPermits) if is_first => None,
            // Boxed, so that only a future that waits needs the memory.
            Err(_) => Some(Box::pin(self.in_flight.acquire()).await.map_err(|_| closed())?),
        };
        let mut retries_left = if retry == Retry::Once { 1 } else { 0 };
        loop {
            let mut used = self.active.get(partition).await?;
            self.watch_sentinels();
            let answer = {
                let send = pin!(used.connection.send(destination, request));
                self.coalescer.send(send, self.is_alone()).await
            };
            let refusal = match (&answer, request) {
                (Err(error), _) => Some(error.clone()),
                (Ok(answers), Request::Pipeline(_)) => refusal_of_all(answers),
                (Ok(_), Request::Command(_)) => None,
            };
            let Some(error) = refusal else { return answer };
            if !Box::pin(self.may_retry(&mut used, &error)).await || retries_left == 0 {
                return answer;
            }
            retries_left -= 1;
        }
    }

    /// Whether another connection may succeed, which is then on its way.
    async fn may_retry(&self, used: &mut ActiveConnection, error: &RedisError) -> bool {
        if may_be_replaced(error) {
            self.look_for_primary();
            return false;
        }
        if !is_lost(error) {
            return false;
        }
        if is_demoted(error) && !self.can_connect() && self.active.may_end() {
            used.connection.reconnect().await;
        }
        self.active.report_lost(used.generation, error)
    }

    /// Whether the command that is being sent is the only one in flight.
    fn is_alone(&self) -> bool {
        self.in_flight.available_permits() + 1 >= self.limits.in_flight
    }
}

/// Whether the command may succeed over another connection.
fn is_lost(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || is_demoted(error)
}

/// Why a server refused one of several commands, if it would refuse them all.
fn refusal_of_all(answers: &Value) -> Option<RedisError> {
    let Value::Array(answers) = answers else { return None };
    answers.iter().find_map(|answer| {
        let Value::ServerError(error) = answer else { return None };
        Some(RedisError::from(error.clone()))
            .filter(|error| is_demoted(error) || may_be_replaced(error))
    })
}

fn answers(answer: Value) -> RedisResult<Vec<Value>> {
    match answer {
        Value::Array(answers) => Ok(answers),
        other => Err(unexpected(&other)),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connector", &self.active.connector())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
