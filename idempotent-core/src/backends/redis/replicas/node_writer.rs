//! Writes to one primary: a queue, and a task that sends what is in it, batch after batch, over a
//! connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::batch::{self, BatchOutcome};
use super::min_replicas::MinReplicas;
use super::queued_command::{Failure, QueuedCommand};
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::{Client, Node};
use crate::backends::redis::error::lost_connection;

/// The limits of one batch.
const MAX_COMMANDS: usize = 256;
const MAX_BYTES: usize = 4 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is lost sooner than this is not replaced at once.
const YOUNG: Duration = Duration::from_millis(500);

/// The queue of one primary. Its task ends when this is dropped.
pub(super) struct NodeWriter {
    queue: UnboundedSender<QueuedCommand>,
    is_failing: Arc<AtomicBool>,
}

struct Task {
    client: Arc<Client>,
    node: Node,
    min_replicas: MinReplicas,
    is_failing: Arc<AtomicBool>,
    routes_stale: Arc<AtomicBool>,
    connection: Option<NodeConnection>,
    /// No further attempt to connect before that time, and why.
    retry_at: Option<(Instant, RedisError)>,
    pause: Duration,
}

struct NodeConnection {
    connection: MultiplexedConnection,
    since: Instant,
    /// The generation of the client's connections at that time. Once they are replaced, another server
    /// may be the primary.
    generation: u64,
}

impl NodeWriter {
    /// Starts the task on the current runtime. It sets `routes_stale` when another server may be the
    /// primary.
    pub(super) fn start(
        client: &Arc<Client>,
        node: Node,
        min_replicas: MinReplicas,
        routes_stale: &Arc<AtomicBool>,
        tasks: &BackgroundTasks,
    ) -> RedisResult<Self> {
        let runtime = Handle::try_current().map_err(|_| NO_RUNTIME)?;
        let (queue, queued) = unbounded_channel();
        let is_failing = Arc::new(AtomicBool::new(false));
        let task = Task {
            client: Arc::clone(client),
            node,
            min_replicas,
            is_failing: Arc::clone(&is_failing),
            routes_stale: Arc::clone(routes_stale),
            connection: None,
            retry_at: None,
            pause: FIRST_PAUSE,
        };
        tasks.spawn(&runtime, task.run(queued));
        Ok(Self { queue, is_failing })
    }

    /// Queues a command; `false` if the task has ended, as it does with its runtime.
    pub(super) fn push(&self, queued: QueuedCommand) -> bool {
        self.queue.send(queued).is_ok()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.queue.is_closed()
    }

    /// Whether the last batch failed.
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}

const NO_RUNTIME: (ErrorKind, &str) =
    (ErrorKind::Client, "writes that wait for replicas need a tokio runtime, and there is none");

/// The next batch, as soon as a command is in the queue; `None` once the queue has ended.
async fn next_batch(queue: &mut UnboundedReceiver<QueuedCommand>) -> Option<Vec<QueuedCommand>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.is_empty() {
        let mut next = Some(queue.recv().await?);
        while let Some(queued) = next {
            // Nobody would undo the command of a caller that is gone.
            if !queued.caller.is_gone() {
                bytes += queued.bytes();
                batch.push(queued);
            }
            let is_full = batch.len() >= MAX_COMMANDS || bytes >= MAX_BYTES;
            next = if is_full { None } else { queue.try_recv().ok() };
        }
    }
    Some(batch)
}

impl Task {
    async fn run(mut self, mut queue: UnboundedReceiver<QueuedCommand>) {
        while let Some(batch) = next_batch(&mut queue).await {
            match self.connect().await {
                Ok(connection) => self.send(connection, batch).await,
                Err(error) => {
                    self.report_failure();
                    for queued in batch {
                        queued.caller.answer(Err(Failure::Unsent(error.clone())));
                    }
                }
            }
        }
    }

    async fn send(&mut self, mut connection: NodeConnection, batch: Vec<QueuedCommand>) {
        let response_timeout = self.client.limits().response_timeout;
        let sent =
            batch::send(&mut connection.connection, batch, self.min_replicas, response_timeout);
        match sent.await {
            BatchOutcome::Replicated => {
                self.is_failing.store(false, Ordering::Relaxed);
                self.pause = FIRST_PAUSE;
                self.connection = Some(connection);
            }
            BatchOutcome::TooFewReplicas => {
                self.is_failing.store(true, Ordering::Relaxed);
                // A primary that was cut off and replaced loses its replicas, too. A new generation of the
                // client's connections ends this one.
                self.routes_stale.store(true, Ordering::Relaxed);
                self.client.look_for_primary();
                self.connection = Some(connection);
            }
            BatchOutcome::LostPrimary => self.abandon(&connection),
        }
    }

    /// The connection in use, or a new one.
    async fn connect(&mut self) -> RedisResult<NodeConnection> {
        let generation = self.client.generation();
        if let Some(connection) = self.connection.take() {
            if connection.generation == generation {
                return Ok(connection);
            }
        }
        if let Some((at, error)) = &self.retry_at {
            if Instant::now() < *at {
                return Err(error.clone());
            }
        }
        match self.client.connect_to_node(&self.node).await {
            Ok(connection) => Ok(NodeConnection { connection, since: Instant::now(), generation }),
            Err(error) => {
                self.delay_retry(error.clone());
                Err(error)
            }
        }
    }

    fn abandon(&mut self, connection: &NodeConnection) {
        self.report_failure();
        if connection.since.elapsed() < YOUNG {
            self.delay_retry(lost_connection());
        }
    }

    fn delay_retry(&mut self, error: RedisError) {
        self.retry_at = Some((Instant::now() + self.pause, error));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn report_failure(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
        self.routes_stale.store(true, Ordering::Relaxed);
    }
}
