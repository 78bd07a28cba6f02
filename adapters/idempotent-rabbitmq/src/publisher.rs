//! [`Publisher`]: publishes copies, and knows whether a queue has them.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use idempotent_core::consumer::SourceError;
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connector::Connector;
use crate::delay_queues::DelayQueues;
use crate::line::Line;

/// Where a copy goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// To the queue where it waits for at least this long.
    Delay(Duration),
    /// To an exchange, by a routing key.
    Route(ShortString, ShortString),
}

/// A copy that is to be published.
pub(crate) struct Outgoing {
    pub(crate) target: Target,
    pub(crate) payload: Bytes,
    pub(crate) properties: BasicProperties,
    /// How often the broker has said nothing of it: it is waited for twice as long after each.
    pub(crate) silences: u32,
}

/// Why no queue has a copy, as far as is known.
#[derive(Debug)]
pub(crate) enum PublishError {
    /// The broker is short of memory or disk, and reads nothing from who publishes.
    Blocked,
    /// No queue is bound that would take it. The broker says yes to such a message, and sends it back.
    Unroutable,
    /// A queue did not take it: it is full, or has lost its majority.
    Refused,
    /// The broker says nothing of it. It may have it.
    Silent,
    /// The source has stopped before the queue was old enough to keep it.
    Young,
    Unavailable(SourceError),
    Broken(lapin::Error),
}

/// After how long of silence a copy is published again, on another connection. Quorum queues of a broker that had been killed were
/// seen to leave copies unconfirmed for a minute, and a connection that is cut off does so until its heartbeats fail.
const SILENT_AFTER: Duration = Duration::from_secs(20);
/// So that a slow broker is not sent every copy twice.
const LEAST_SILENCE: Duration = Duration::from_secs(5);
/// How many silences make it longer.
const MOST_DOUBLINGS: u32 = 6;
/// How often is looked whether the broker blocks publishing.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Publishes copies on a connection of its own, which is made when it is first needed.
pub(crate) struct Publisher {
    connector: Connector,
    silent_after: Duration,
    line: Mutex<Option<Arc<Line>>>,
    delays: DelayQueues,
}

impl Publisher {
    /// For messages that come again after this deadline if nothing is known of them.
    pub(crate) fn new(connector: Connector, delays: DelayQueues, deadline: Duration) -> Self {
        let silent_after = deadline.clamp(LEAST_SILENCE, SILENT_AFTER);
        Self { connector, silent_after, line: Mutex::default(), delays }
    }

    /// Publishes, and returns once a queue has it. A queue that is too young is waited for until `stopping` ends.
    pub(crate) async fn publish(
        &self,
        copy: &Outgoing,
        stopping: impl Future<Output = ()>,
    ) -> Result<(), PublishError> {
        let mut stopping = pin!(stopping);
        let line = self.line().await?;
        let mut published = self.publish_on(&line, copy, stopping.as_mut()).await;
        if let (Err(PublishError::Unroutable), Target::Delay(after)) = (&published, &copy.target) {
            self.delays.forget(*after);
            published = self.publish_on(&line, copy, stopping).await;
        }
        match published {
            Err(PublishError::Broken(_)) if !line.is_usable() => self.discard(&line).await,
            Err(PublishError::Silent) => self.discard(&line).await,
            _ => {}
        }
        published
    }

    async fn publish_on(
        &self,
        line: &Line,
        copy: &Outgoing,
        stopping: impl Future<Output = ()>,
    ) -> Result<(), PublishError> {
        if line.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let (exchange, routing_key) = match &copy.target {
            Target::Route(exchange, routing_key) => (exchange.clone(), routing_key.clone()),
            Target::Delay(after) => {
                let queue = unless_silent(
                    line,
                    self.patience(copy),
                    self.delays.of(line.connection(), *after),
                );
                let (queue, ready_at) = queue.await?;
                // The copies for other queues do not wait for this one: it takes no room yet.
                let ready_at = ready_at.filter(|ready_at| *ready_at > Instant::now());
                if let Some(ready_at) = ready_at
                    && timeout_at(ready_at, stopping).await.is_ok()
                {
                    return Err(PublishError::Young);
                }
                ("".into(), queue)
            }
        };
        let _room = line.room().await;
        if line.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let publishing =
            line.publish(exchange, routing_key, &copy.payload, copy.properties.clone());
        match unless_silent(line, self.patience(copy), publishing).await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(PublishError::Unroutable)
            }
            Confirmation::Nack(None) | Confirmation::NotRequested => Err(PublishError::Refused),
        }
    }

    /// How long the broker may say nothing of a copy.
    fn patience(&self, copy: &Outgoing) -> Duration {
        self.silent_after * (1 << copy.silences.min(MOST_DOUBLINGS))
    }

    async fn line(&self) -> Result<Arc<Line>, PublishError> {
        let mut line = self.line.lock().await;
        if let Some(line) = line.as_ref().filter(|line| line.is_usable()) {
            return Ok(Arc::clone(line));
        }
        let connection = self.connector.connect().await.map_err(PublishError::Unavailable)?;
        Ok(Arc::clone(line.insert(Arc::new(Line::new(connection)))))
    }

    /// It is not used again, but by the copies that are under way.
    async fn discard(&self, used: &Arc<Line>) {
        let mut line = self.line.lock().await;
        if line.as_ref().is_some_and(|line| Arc::ptr_eq(line, used)) {
            *line = None;
        }
    }
}

/// Gives up what the broker says nothing of for this long, not counting the time in which it blocks publishing: it answers
/// once it reads again.
async fn unless_silent<T>(
    line: &Line,
    patience: Duration,
    asking: impl Future<Output = lapin::Result<T>>,
) -> Result<T, PublishError> {
    let mut asking = pin!(asking);
    let mut silent_since = Instant::now();
    loop {
        match timeout(LOOKED_EVERY.min(patience), asking.as_mut()).await {
            Ok(answered) => return answered.map_err(PublishError::Broken),
            Err(_) if line.is_blocked() => silent_since = Instant::now(),
            Err(_) if silent_since.elapsed() >= patience => return Err(PublishError::Silent),
            Err(_) => {}
        }
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => {
                f.write_str("the broker has blocked publishing: it is short of memory or disk")
            }
            Self::Unroutable => {
                f.write_str("no queue takes the copy: its queue or its binding is gone")
            }
            Self::Refused => f.write_str(
                "the queue of the copy refuses it: it is full, or has lost its majority",
            ),
            Self::Silent => f.write_str("the broker does not confirm the copy"),
            Self::Young => f.write_str("the queue of the copy has just been declared"),
            Self::Unavailable(error) => write!(f, "{error}"),
            Self::Broken(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            Self::Broken(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("delays", &self.delays).finish_non_exhaustive()
    }
}
