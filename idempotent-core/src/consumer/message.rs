//! [`Message`]: what a broker delivers, whichever broker it is.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

/// A message of a broker. Clones are cheap, and are the same message.
///
/// A handler may take it as its second argument:
///
/// ```
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::MemoryStore;
/// use idempotent_core::consumer::{Consumer, Message};
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let consumer = Consumer::builder("shop.audit", &engine).handler(
///     |payload: Vec<u8>, message: Message| async move {
///         println!("{} bytes of {}", payload.len(), message.id());
///         Ok::<_, std::convert::Infallible>(())
///     },
/// );
/// ```
#[derive(Clone)]
pub struct Message(Arc<Parts>);

#[derive(Clone)]
struct Parts {
    id: String,
    position: String,
    topic: String,
    key: Option<String>,
    payload: Bytes,
    headers: Vec<(String, String)>,
    published_at: Option<SystemTime>,
    delivery_count: Option<u64>,
    behind: Option<u64>,
    has_own_id: bool,
}

impl Message {
    /// A message with an id, which is the same in every delivery of it, from a topic: for sources and tests. Until
    /// [`at`](Self::at) says otherwise, its position is its id.
    ///
    /// ```
    /// use idempotent_core::consumer::Message;
    ///
    /// let message = Message::new("order-7", "orders.placed", r#"{"order":7}"#)
    ///     .with_header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    /// assert_eq!(message.id(), "order-7");
    /// assert_eq!(message.payload().len(), 11);
    /// ```
    #[must_use]
    pub fn new(id: impl Into<String>, topic: impl Into<String>, payload: impl Into<Bytes>) -> Self {
        let id = id.into();
        Self(Arc::new(Parts {
            position: id.clone(),
            id,
            topic: topic.into(),
            key: None,
            payload: payload.into(),
            headers: Vec::new(),
            published_at: None,
            delivery_count: None,
            behind: None,
            has_own_id: true,
        }))
    }

    fn parts(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }

    /// Sets where the broker keeps this message. A message that is published again, by its producer or by an
    /// operator, has the same id and another position. Attempts are counted by position.
    #[must_use]
    pub fn at(mut self, position: impl Into<String>) -> Self {
        self.parts().position = position.into();
        self
    }

    /// Says that its producer gave it no id, so that its id is that of the place where the broker keeps it: what the
    /// producer sends a second time has another one. A consumer that goes by such ids warns of it.
    #[must_use]
    pub fn without_own_id(mut self) -> Self {
        self.parts().has_own_id = false;
        self
    }

    /// The same with another payload, for what is made of a part of it.
    #[must_use]
    pub(super) fn with_payload(mut self, payload: Bytes) -> Self {
        self.parts().payload = payload;
        self
    }

    /// Sets the key by which the broker orders or partitions messages.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.parts().key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts().headers.push((name.into(), value.into()));
        self
    }

    /// Sets when the broker has received it.
    #[must_use]
    pub fn with_published_at(mut self, at: SystemTime) -> Self {
        self.parts().published_at = Some(at);
        self
    }

    /// Sets how often the broker has delivered it, this time included.
    #[must_use]
    pub fn with_delivery_count(mut self, count: u64) -> Self {
        self.parts().delivery_count = Some(count);
        self
    }

    /// Sets how many messages the broker has behind this one.
    #[must_use]
    pub fn with_behind(mut self, messages: u64) -> Self {
        self.parts().behind = Some(messages);
        self
    }

    /// The id, which is the same in every delivery of the message.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Whether its id is the producer's: see [`without_own_id`](Self::without_own_id).
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        self.0.has_own_id
    }

    /// Where the broker keeps it: see [`at`](Self::at).
    #[must_use]
    pub fn position(&self) -> &str {
        &self.0.position
    }

    /// The subject, queue or stream that it was published to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The key by which the broker orders or partitions messages, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The bytes that were published.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// All headers. A name may occur more than once.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header with this name, which is compared byte by byte.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(given, _)| *given == name).map(|(_, value)| value)
    }

    /// When the broker received it, if the broker says so.
    #[must_use]
    pub fn published_at(&self) -> Option<SystemTime> {
        self.0.published_at
    }

    /// How often the broker has delivered it, this time included; `None` if the broker does not count. It is no
    /// count of [attempts](super::Attempts): the broker also counts deliveries in which no handler ran.
    #[must_use]
    pub fn delivery_count(&self) -> Option<u64> {
        self.0.delivery_count
    }

    /// How many messages the broker has behind this one for the same consumer, if it says so.
    #[must_use]
    pub fn behind(&self) -> Option<u64> {
        self.0.behind
    }
}

impl fmt::Debug for Message {
    /// Without key, headers and payload, which may be sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.0.id)
            .field("position", &self.0.position)
            .field("topic", &self.0.topic)
            .field("bytes", &self.0.payload.len())
            .field("delivery_count", &self.0.delivery_count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sensitive_is_not_in_debug() {
        let message = Message::new("7", "orders", "payload-secret")
            .with_key("key-secret")
            .with_header("authorization", "header-secret");
        assert!(!format!("{message:?}").contains("secret"), "{message:?}");
    }

    #[test]
    fn changing_a_clone_leaves_the_message_alone() {
        let message = Message::new("7", "orders", "");
        let moved = message.clone().at("stream/9");
        assert_eq!((message.position(), moved.position()), ("7", "stream/9"));
    }
}
