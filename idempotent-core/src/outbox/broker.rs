//! What a relay publishes to: the trait of brokers, and their errors.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Message;

/// A broker that a [`Relay`](super::Relay) publishes to.
///
/// `Ok` means that the broker has stored the message, and the relay deletes it. If there was no answer, or the
/// relay died, the message is published again with the same [`id`](Message::id): pass the id on if the broker
/// drops duplicates. An answer that it has the id already is `Ok`, and so is a conflict that only an earlier
/// attempt can have caused: the message was delivered then.
///
/// A relay publishes the messages of one key one after the other, and those of different keys at once.
///
/// ```
/// use idempotent_core::outbox::{Message, Publish, PublishError};
///
/// struct Printer;
///
/// #[idempotent_core::async_trait]
/// impl Publish for Printer {
///     async fn publish(&self, message: &Message) -> Result<(), PublishError> {
///         let text = std::str::from_utf8(&message.payload).map_err(PublishError::poison)?;
///         println!("{} {}: {text}", message.topic, message.key);
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait Publish: Send + Sync + 'static {
    /// Publishes one message, and waits until the broker has stored it.
    ///
    /// # Errors
    ///
    /// If the broker has not stored it, or may not have. The [kind](PublishErrorKind) decides what happens to
    /// the message.
    async fn publish(&self, message: &Message) -> Result<(), PublishError>;
}

#[async_trait]
impl<P: Publish + ?Sized> Publish for Arc<P> {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        (**self).publish(message).await
    }
}

/// Why a message was not published.
#[derive(Debug)]
pub struct PublishError {
    kind: PublishErrorKind,
    retry_after: Option<Duration>,
    server: Option<Box<str>>,
    source: Box<dyn StdError + Send + Sync>,
}

/// The kinds of [`PublishError`]: what they mean for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The broker cannot be reached, accepts nothing now, or did not answer: the message is not at fault. It is
    /// tried again for ever, and never parked.
    Unavailable,
    /// The broker works, and the destination of the message does not: a stream, a topic or a queue is missing,
    /// or takes no such messages. Every message with the same topic fails alike, and those with other topics do
    /// not. It is tried again, and parked after [`Relay::park_after`](super::Relay::park_after) attempts. The
    /// relay logs it once a topic, until one of its messages is delivered.
    Destination,
    /// The broker refused this message, but may accept it later. It is tried again, and parked after
    /// [`Relay::park_after`](super::Relay::park_after) refusals.
    Refused,
    /// The broker will never accept this message: it is parked at once.
    Poison,
}

impl PublishError {
    /// The message is not at fault: see [`PublishErrorKind::Unavailable`].
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(PublishErrorKind::Unavailable, source)
    }

    /// The message leads nowhere: see [`PublishErrorKind::Destination`].
    pub fn destination(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(PublishErrorKind::Destination, source)
    }

    /// The broker refused this message: see [`PublishErrorKind::Refused`].
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(PublishErrorKind::Refused, source)
    }

    /// The broker will never accept this message: see [`PublishErrorKind::Poison`].
    pub fn poison(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(PublishErrorKind::Poison, source)
    }

    pub(super) fn new(
        kind: PublishErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, retry_after: None, server: None, source: source.into() }
    }

    /// Adds how long the broker asks to wait, by `Retry-After` for instance. The message is not tried again
    /// before, nor are the next ones of its key, however short the relay's own pauses are.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use idempotent_core::outbox::PublishError;
    ///
    /// let error = PublishError::unavailable("429").with_retry_after(Duration::from_secs(60));
    /// assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    /// ```
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Names the broker: its text then begins with that. An error that names one keeps it.
    ///
    /// ```
    /// use idempotent_core::outbox::PublishError;
    ///
    /// let error = PublishError::unavailable("connection refused").at("rabbitmq at 10.0.0.7:5672");
    /// assert_eq!(error.to_string(), "rabbitmq at 10.0.0.7:5672: the broker is unavailable");
    /// ```
    #[must_use]
    pub fn at(mut self, server: impl Into<String>) -> Self {
        if self.server.is_none() {
            self.server = Some(server.into().into());
        }
        self
    }

    /// How long the broker asks to wait.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> PublishErrorKind {
        self.kind
    }

    /// The error and its causes, in one line.
    pub(super) fn reason(&self) -> String {
        let mut reason = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            reason.push_str(": ");
            reason.push_str(&error.to_string());
            cause = error.source();
        }
        reason
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.server {
            write!(f, "{server}: ")?;
        }
        f.write_str(match self.kind {
            PublishErrorKind::Unavailable => "the broker is unavailable",
            PublishErrorKind::Destination => "the message has no destination at the broker",
            PublishErrorKind::Refused => "the broker refused the message",
            PublishErrorKind::Poison => "the broker will never accept the message",
        })
    }
}

impl StdError for PublishError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
