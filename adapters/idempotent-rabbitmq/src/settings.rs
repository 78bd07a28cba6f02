//! The options of a source. [`RabbitMqSource`](crate::RabbitMqSource) documents and sets them.

use std::time::Duration;

use lapin::types::ShortString;

use crate::queue::Queue;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// That of a broker whose `consumer_timeout` nobody has set.
pub(crate) const CONSUMER_TIMEOUT: Duration = Duration::from_secs(30 * 60);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) queue: ShortString,
    /// A name that is longer than the broker allows.
    pub(crate) too_long: Option<String>,
    pub(crate) declared: Option<Queue>,
    pub(crate) dead_letters: DeadLetters,
    /// `None` where the source declares them.
    pub(crate) delay_queues: Option<Vec<(Duration, ShortString)>>,
    pub(crate) id_header: Option<String>,
    pub(crate) deadline: Duration,
    pub(crate) consumer_timeout: Duration,
    pub(crate) delivery_limit: Option<u32>,
}

#[derive(Clone, Debug)]
pub(crate) enum DeadLetters {
    Unset,
    Queue(ShortString),
    /// And a routing key.
    Exchange(ShortString, ShortString),
}

impl Settings {
    pub(crate) fn of(queue: String) -> Self {
        let mut settings = Self {
            queue: ShortString::default(),
            too_long: None,
            declared: None,
            dead_letters: DeadLetters::Unset,
            delay_queues: None,
            id_header: None,
            deadline: DEADLINE,
            consumer_timeout: CONSUMER_TIMEOUT,
            delivery_limit: None,
        };
        settings.queue = settings.name(queue);
        settings
    }

    /// A name as the protocol has it, whose refusal is kept for the start.
    pub(crate) fn name(&mut self, name: String) -> ShortString {
        ShortString::try_new(name.as_str()).unwrap_or_else(|_| {
            self.too_long = Some(name);
            ShortString::default()
        })
    }

    /// Exchange and routing key of dead letters.
    pub(crate) fn route_of_dead_letters(&self) -> (ShortString, ShortString) {
        match &self.dead_letters {
            DeadLetters::Unset => (ShortString::default(), ShortString::default()),
            DeadLetters::Queue(queue) => (ShortString::default(), queue.clone()),
            DeadLetters::Exchange(exchange, routing_key) => (exchange.clone(), routing_key.clone()),
        }
    }
}
