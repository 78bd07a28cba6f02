//! [`Publisher`]: publishes copies, and knows whether a queue has them.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use idempotent_core::consumer::SourceError;
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connector::Connector;
use crate::delay_queues::{DelayQueues, YOUNG};
use crate::line::Line;

/// Where a copy goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// To the queue where it waits for at least this long.
    Delay(Duration),
    /// To an exchange, by a routing key.
    Route(ShortString, ShortString),
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
    Unavailable(SourceError),
    Broken(lapin::Error),
}

/// After how long of silence a copy is published again, on another connection. Quorum queues of a broker that had been killed were
/// seen to leave copies unconfirmed for a minute, and a connection that is cut off does so until its heartbeats fail.
const SILENT_AFTER: Duration = Duration::from_secs(20);

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
        let silent_after = deadline.min(SILENT_AFTER) + YOUNG;
        Self { connector, silent_after, line: Mutex::default(), delays }
    }

    /// Publishes, and returns once a queue has it.
    pub(crate) async fn publish(
        &self,
        target: &Target,
        payload: &Bytes,
        properties: &BasicProperties,
    ) -> Result<(), PublishError> {
        let line = self.line().await?;
        let _room = line.room().await;
        if line.is_blocked() {
            return Err(PublishError::Blocked);
        }
        let mut published = self.send_unless_silent(&line, target, payload, properties).await;
        if let (Err(PublishError::Unroutable), Target::Delay(_)) = (&published, target) {
            self.delays.forget();
            published = self.send_unless_silent(&line, target, payload, properties).await;
        }
        match published {
            Err(PublishError::Broken(_)) if !line.is_usable() => self.discard(&line).await,
            Err(PublishError::Silent) => self.discard(&line).await,
            _ => {}
        }
        published
    }

    /// Gives a copy up of which the broker says nothing, although it does not block publishing.
    async fn send_unless_silent(
        &self,
        line: &Line,
        target: &Target,
        payload: &Bytes,
        properties: &BasicProperties,
    ) -> Result<(), PublishError> {
        let mut sending = pin!(self.send(line, target, payload, properties));
        loop {
            match timeout(self.silent_after, sending.as_mut()).await {
                Ok(sent) => return sent,
                // It confirms once it reads again.
                Err(_) if line.is_blocked() => {}
                Err(_) => return Err(PublishError::Silent),
            }
        }
    }

    async fn send(
        &self,
        line: &Line,
        target: &Target,
        payload: &Bytes,
        properties: &BasicProperties,
    ) -> Result<(), PublishError> {
        let (exchange, routing_key) = match target {
            Target::Route(exchange, routing_key) => (exchange.clone(), routing_key.clone()),
            Target::Delay(after) => {
                let queue = self.delays.of(line.connection(), *after).await;
                ("".into(), queue.map_err(PublishError::Broken)?)
            }
        };
        let confirmed = line.publish(exchange, routing_key, payload, properties.clone()).await;
        match confirmed.map_err(PublishError::Broken)? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(PublishError::Unroutable)
            }
            Confirmation::Nack(None) | Confirmation::NotRequested => Err(PublishError::Refused),
        }
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
