//! [`Queue`]: the queue as a source declares it.

use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

/// A durable queue, as [`RabbitMqSource::declare`](crate::RabbitMqSource::declare) creates it where it does not
/// exist, and expects it where it does.
///
/// ```
/// use idempotent_rabbitmq::Queue;
///
/// let queue = Queue::quorum().delivery_limit(100).argument("x-single-active-consumer", true);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it describes a queue, which a source declares"]
pub struct Queue {
    arguments: FieldTable,
    pub(crate) delivery_limit: Option<u32>,
    pub(crate) message_ttl: Option<Duration>,
}

/// The value of a queue's [argument](Queue::argument).
#[derive(Clone, Debug, PartialEq)]
pub struct Argument(AMQPValue);

impl Queue {
    /// A replicated queue. What is confirmed is on a majority of its nodes' disks.
    pub fn quorum() -> Self {
        Self::of_type("quorum")
    }

    /// A queue on one node. With the loss of that node its messages are lost.
    pub fn classic() -> Self {
        Self::of_type("classic")
    }

    fn of_type(name: &str) -> Self {
        let queue =
            Self { arguments: FieldTable::default(), delivery_limit: None, message_ttl: None };
        queue.argument("x-queue-type", name)
    }

    /// Sets how often the broker gives a message back before it drops it, or sends it to the queue's own dead-letter
    /// exchange: `x-delivery-limit`, which only quorum queues have. Default: none in RabbitMQ 3, and 20 in
    /// RabbitMQ 4.
    ///
    /// It must be above the consumer's attempts: see [the source](crate::RabbitMqSource#what-is-checked-at-the-start).
    pub fn delivery_limit(mut self, limit: u32) -> Self {
        self.delivery_limit = Some(limit);
        self.argument("x-delivery-limit", i64::from(limit))
    }

    /// Sets how long a message stays in the queue, in whole milliseconds: `x-message-ttl`. Default: for ever.
    pub fn message_ttl(mut self, ttl: Duration) -> Self {
        self.message_ttl = Some(ttl);
        self.argument("x-message-ttl", i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
    }

    /// Sets any other argument. Names have at most 255 bytes; a longer one is cut off.
    pub fn argument(mut self, name: &str, value: impl Into<Argument>) -> Self {
        let mut length = name.len().min(255);
        while !name.is_char_boundary(length) {
            length -= 1;
        }
        if let Ok(name) = ShortString::try_new(&name[..length]) {
            self.arguments.insert(name, value.into().0);
        }
        self
    }

    pub(crate) fn arguments(&self) -> FieldTable {
        self.arguments.clone()
    }
}

impl From<bool> for Argument {
    fn from(value: bool) -> Self {
        Self(AMQPValue::Boolean(value))
    }
}

impl From<i64> for Argument {
    fn from(value: i64) -> Self {
        Self(AMQPValue::LongLongInt(value))
    }
}

impl From<&str> for Argument {
    fn from(value: &str) -> Self {
        Self(AMQPValue::LongString(LongString::from(value)))
    }
}
