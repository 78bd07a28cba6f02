//! What a relay delivers to: the trait of brokers, and what their refusals mean.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::Message;

/// A broker, as a [`Relay`](super::Relay) needs it.
///
/// `Ok` says that the broker has the message for good: the relay forgets it. What was published and
/// not answered, or by a relay that died, is published again with the same
/// [`id`](Message::id), so a broker that drops duplicates should be given it.
///
/// A relay publishes a key's messages one after the other, and those of other keys meanwhile.
///
/// ```
/// use idempotent_core::outbox::{Message, Publish, PublishError};
///
/// struct Printer;
///
/// #[async_trait::async_trait]
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
    /// Publishes one message, and waits until the broker has it.
    ///
    /// # Errors
    ///
    /// Why it does not, or why that is not known. The [kind](PublishErrorKind) decides what becomes
    /// of the message.
    async fn publish(&self, message: &Message) -> Result<(), PublishError>;
}

#[async_trait]
impl<P: Publish + ?Sized> Publish for Arc<P> {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        (**self).publish(message).await
    }
}

/// Why a broker has not got a message.
#[derive(Debug)]
pub struct PublishError {
    kind: PublishErrorKind,
    source: Box<dyn StdError + Send + Sync>,
}

/// The kinds of [`PublishError`]: what they mean for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishErrorKind {
    /// The broker cannot be reached, cannot take anything now, or did not answer: it says nothing of
    /// the message. It is tried again for ever, and is never parked for it.
    Unavailable,
    /// The broker does not take this message, and may another time. It is tried again, and parked
    /// after so many refusals as [`Relay::park_after`](super::Relay::park_after) says.
    Refused,
    /// The broker will never take this message: it is parked at once.
    Poison,
}

impl PublishError {
    /// An error that says nothing of the message: see [`PublishErrorKind::Unavailable`].
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: PublishErrorKind::Unavailable, source: source.into() }
    }

    /// A refusal of this message: see [`PublishErrorKind::Refused`].
    pub fn refused(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: PublishErrorKind::Refused, source: source.into() }
    }

    /// A refusal for ever: see [`PublishErrorKind::Poison`].
    pub fn poison(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind: PublishErrorKind::Poison, source: source.into() }
    }

    /// What kind of error this is.
    #[must_use]
    pub const fn kind(&self) -> PublishErrorKind {
        self.kind
    }

    /// The error and what caused it, in one line.
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
        f.write_str(match self.kind {
            PublishErrorKind::Unavailable => "the broker is unavailable",
            PublishErrorKind::Refused => "the broker refused the message",
            PublishErrorKind::Poison => "the broker will never take the message",
        })
    }
}

impl StdError for PublishError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}
