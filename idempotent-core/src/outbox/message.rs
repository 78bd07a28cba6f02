//! A message as a relay hands it to a broker, and as a consumer gets it.

use std::fmt;
use std::time::SystemTime;

use super::MessageId;

/// A message of the outbox.
///
/// A relay hands it to [`Publish`](super::Publish); a consumer that knows its broker builds one of
/// what came, as `outbox::nats::received` does.
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
    /// The same however often the message is delivered, and another one for every other message.
    pub id: MessageId,
    /// What it was published to: a subject, a topic, a queue.
    pub topic: String,
    /// What it is ordered by.
    pub key: String,
    /// The bytes that were published.
    pub payload: Vec<u8>,
    /// Names and values, in the order in which they were given. A name may be there twice.
    pub headers: Vec<(String, String)>,
    /// When it was published, by the database's clock.
    pub published_at: SystemTime,
    /// Which attempt to deliver it this is, from 1, as far as attempts are on record: a relay that dies
    /// in the middle of one leaves none.
    pub attempt: u32,
}

impl Message {
    /// A message without headers, published now: for consumers and tests.
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

    /// The first header of this name, which is compared byte by byte.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Message {
    /// Without key, headers and payload, which may be anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("bytes", &self.payload.len())
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
