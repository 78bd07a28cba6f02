//! The lane of one primary: a queue, and a task that sends what is in it, batch after batch, over a
//! connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Arg, Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::batch::{self, Went};
use super::{Need, Promise};
use crate::store::redis::link::{Link, Node};

/// How much goes out at once.
const MOST: usize = 256;
const MOST_BYTES: usize = 4 * 1024 * 1024;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is lost sooner than this is not replaced at once.
const YOUNG: Duration = Duration::from_millis(500);

/// Why a command has no good answer.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It never went out.
    Unsent(RedisError),
    /// It may have been executed.
    Lost(RedisError),
    /// The server did not execute it.
    Refused(RedisError),
    /// It was executed, and too few replicas have it.
    Short(RedisError),
}

/// A command in the queue.
pub(super) struct Queued {
    pub(super) command: Cmd,
    pub(super) waiting: Waiting,
}

/// Somebody who waits for an answer.
pub(super) struct Waiting {
    pub(super) promise: Promise,
    /// Another server sent it here, for this once.
    pub(super) is_asking: bool,
    answer: oneshot::Sender<Result<Value, Failure>>,
    /// Bounds how many there are, in the queue and on their way.
    _turn: Option<OwnedSemaphorePermit>,
}

/// The way to the lane's task. The task ends when the last of these is gone.
pub(super) struct Lane {
    queue: UnboundedSender<Queued>,
    is_failing: Arc<AtomicBool>,
}

struct Task {
    link: Arc<Link>,
    node: Node,
    need: Need,
    is_failing: Arc<AtomicBool>,
    doubt: Arc<AtomicBool>,
    connection: Option<Connected>,
    /// No other attempt before that, and why.
    held_back: Option<(Instant, RedisError)>,
    pause: Duration,
}

struct Connected {
    connection: MultiplexedConnection,
    since: Instant,
    /// Which connection the link had then. When it leaves that, the primary may be another.
    generation: u64,
}

impl Lane {
    /// Starts a lane in the running runtime. It raises `doubt` when the primary may be elsewhere.
    pub(super) fn start(
        link: &Arc<Link>,
        node: Node,
        need: Need,
        doubt: &Arc<AtomicBool>,
    ) -> RedisResult<Self> {
        let runtime = Handle::try_current().map_err(|_| NO_RUNTIME)?;
        let (queue, queued) = unbounded_channel();
        let is_failing = Arc::new(AtomicBool::new(false));
        let task = Task {
            link: Arc::clone(link),
            node,
            need,
            is_failing: Arc::clone(&is_failing),
            doubt: Arc::clone(doubt),
            connection: None,
            held_back: None,
            pause: FIRST_PAUSE,
        };
        runtime.spawn(task.run(queued));
        Ok(Self { queue, is_failing })
    }

    /// Whether it was taken: a lane ends with the runtime that it was started in.
    pub(super) fn put(&self, queued: Queued) -> bool {
        self.queue.send(queued).is_ok()
    }

    pub(super) fn is_over(&self) -> bool {
        self.queue.is_closed()
    }

    pub(super) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }
}

const NO_RUNTIME: (ErrorKind, &str) = (ErrorKind::Client, "there is no tokio runtime");

impl Queued {
    pub(super) fn new(
        command: Cmd,
        promise: Promise,
        is_asking: bool,
        turn: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Result<Value, Failure>>) {
        let (answer, receiver) = oneshot::channel();
        (Self { command, waiting: Waiting { promise, is_asking, answer, _turn: turn } }, receiver)
    }

    fn bytes(&self) -> usize {
        let length =
            |argument: Arg<&[u8]>| if let Arg::Simple(bytes) = argument { bytes.len() } else { 0 };
        self.command.args_iter().map(length).sum()
    }
}

impl Waiting {
    pub(super) fn tell(self, answer: Result<Value, Failure>) {
        // The caller may be gone.
        let _ = self.answer.send(answer);
    }
}

/// What is in the queue and still wanted, as soon as there is something; `None` after the end.
async fn next(queue: &mut UnboundedReceiver<Queued>) -> Option<Vec<Queued>> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.is_empty() {
        let mut next = Some(queue.recv().await?);
        while let Some(queued) = next {
            // Whoever went away would have its command executed with nobody to undo it.
            if !queued.waiting.answer.is_closed() {
                bytes += queued.bytes();
                batch.push(queued);
            }
            let is_full = batch.len() >= MOST || bytes >= MOST_BYTES;
            next = if is_full { None } else { queue.try_recv().ok() };
        }
    }
    Some(batch)
}

impl Task {
    async fn run(mut self, mut queue: UnboundedReceiver<Queued>) {
        while let Some(batch) = next(&mut queue).await {
            match self.connected().await {
                Err(error) => {
                    self.fails();
                    for queued in batch {
                        queued.waiting.tell(Err(Failure::Unsent(error.clone())));
                    }
                }
                Ok(mut connected) => {
                    let response = self.link.limits().response;
                    let connection = &mut connected.connection;
                    match batch::send(connection, batch, self.need, response).await {
                        Went::Well => {
                            self.is_failing.store(false, Ordering::Relaxed);
                            self.pause = FIRST_PAUSE;
                            self.connection = Some(connected);
                        }
                        Went::Short => {
                            self.is_failing.store(true, Ordering::Relaxed);
                            self.connection = Some(connected);
                        }
                        Went::Astray => self.leaves(&connected),
                    }
                }
            }
        }
    }

    /// The connection in use, or a new one.
    async fn connected(&mut self) -> RedisResult<Connected> {
        let generation = self.link.generation();
        if let Some(connected) = self.connection.take() {
            if connected.generation == generation {
                return Ok(connected);
            }
        }
        if let Some((until, why)) = &self.held_back {
            if Instant::now() < *until {
                return Err(why.clone());
            }
        }
        match self.link.dedicated_to(&self.node).await {
            Ok(connection) => Ok(Connected { connection, since: Instant::now(), generation }),
            Err(error) => {
                self.hold_back(error.clone());
                Err(error)
            }
        }
    }

    fn leaves(&mut self, connected: &Connected) {
        self.fails();
        if connected.since.elapsed() < YOUNG {
            self.hold_back(super::gone());
        }
    }

    fn hold_back(&mut self, why: RedisError) {
        self.held_back = Some((Instant::now() + self.pause, why));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn fails(&self) {
        self.is_failing.store(true, Ordering::Relaxed);
        self.doubt.store(true, Ordering::Relaxed);
    }
}
