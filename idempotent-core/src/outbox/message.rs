//! A message, as a relay passes it to a broker and as a consumer receives it.

use std::fmt;
use std::time::SystemTime;

use super::message_check::MessageCheck;
use super::{MessageId, OutboxError};

/// A message of the outbox.
///
/// A relay passes it to [`Publish`](super::Publish). A consumer builds one from what it received from its
/// broker, as `outbox::nats::received` does.
///
/// ```
/// use idempotent_core::outbox::Message;
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = message.id, name = "billing::on_paid", guarantee = at_least_once)]
/// async fn on_paid(message: Message) -> Result<usize, Error> {
///     Ok(message.payload.len())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Unique to the message, and the same in every delivery of it.
    pub id: MessageId,
    /// Where it was published to: a subject, a topic or a queue.
    pub topic: String,
    /// Messages of one key are delivered in order.
    pub key: String,
    /// The published bytes.
    pub payload: Vec<u8>,
    /// Names and values, in the order in which they were added. A name may occur more than once.
    pub headers: Vec<(String, String)>,
    /// When it was published, by the database's clock.
    pub published_at: SystemTime,
    /// The number of this attempt to deliver it, from 1. An attempt during which the relay died is not
    /// counted.
    pub attempt: u32,
}

impl Message {
    /// A message that is published now, without headers: for consumers and tests.
    pub fn new(
        id: MessageId,
        topic: impl Into<String>,
        key: impl Into<String>,
        payload: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            id,
            topic: topic.into(),
            key: key.into(),
            payload: payload.into(),
            headers: Vec::new(),
            published_at: SystemTime::now(),
            attempt: 1,
        }
    }

    /// Whether every broker could carry it: what [`Draft`](super::Draft) checks before a message is published.
    /// Relays check it too, since a message may have come into the table in another way. Use it in a broker of
    /// your own that others may call directly.
    ///
    /// ```
    /// use idempotent_core::outbox::{Message, MessageId};
    ///
    /// let mut message = Message::new(MessageId::random(), "orders.paid", "order-7", "");
    /// message.headers.push(("traceparent".to_owned(), "00-1".to_owned()));
    /// assert!(message.validate().is_ok());
    ///
    /// message.headers.push(("note".to_owned(), " a broker would trim it".to_owned()));
    /// assert!(message.validate().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](super::OutboxErrorKind::Invalid) if topic or key is empty, contains control characters, or
    /// begins or ends with white space; if the key is longer than 512 bytes; or if a
    /// [header](super::Draft::header) is invalid or reserved.
    pub fn validate(&self) -> Result<(), OutboxError> {
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        MessageCheck { topic: &self.topic, key: &self.key }.check(headers)
    }

    /// The first header with this name, which is compared byte by byte.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Message {
    /// Without key, headers and payload, which may be sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("bytes", &self.payload.len())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
