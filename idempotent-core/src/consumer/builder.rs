//! [`Consumer`] and its options.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::attempts::Attempts;
use super::failure::Failure;
use super::handler::Handler;
use super::message::Message;
use super::outcome::Settled;
use super::process::{Handling, Process};
use super::settings::Settings;
use crate::engine::AsEngine;
use crate::model::{Guarantee, Key, Operation};

const CONCURRENCY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A consumer of messages, which runs its handler once per message. See the [module](super) for what that means.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::MemoryStore;
/// use idempotent_core::consumer::{Consumer, Json};
///
/// #[derive(serde::Deserialize)]
/// struct OrderPlaced {
///     order: u64,
/// }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let consumer = Consumer::builder("shop.order-placed", &engine)
///     .concurrency(64)
///     .handler(|Json(placed): Json<OrderPlaced>| async move {
///         println!("order {} is placed", placed.order);
///         Ok::<_, std::convert::Infallible>(())
///     });
/// # #[cfg(feature = "testing")]
/// # {
/// # use idempotent_core::testing::sources::TestBroker;
/// # let broker = TestBroker::new();
/// // A broker in memory, for tests.
/// broker.publish("message-1", r#"{"order":7}"#);
/// consumer.run(broker.source(), broker.until_settled(1)).await?;
/// # }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Consumer {
    pub(super) settings: Settings,
    pub(super) process: Arc<dyn Process>,
}

impl Consumer {
    /// Starts to describe a consumer.
    ///
    /// The name is that of the [operation](Operation::new) of its calls, and keeps the ids of its messages apart from
    /// those of others: two consumers with one name share their messages, and two with different names each handle
    /// all of theirs. At most 119 bytes.
    ///
    /// **Give each service, each group of workers and each kind of effect a name of its own.** Two services that read the
    /// same messages under one name, with one store, take each other's messages for replays: each message is handled by one of
    /// them, and by the other never. Neither subject, stream nor group is part of the key. The topic is not either, so if one
    /// consumer reads several types of message whose ids may be equal, put the type into the [key](ConsumerBuilder::key), and the
    /// tenant into the [scope](ConsumerBuilder::scope).
    #[track_caller]
    pub fn builder<E: AsEngine + ?Sized>(name: &'static str, engine: &E) -> ConsumerBuilder {
        let key = |message: &Message, operation: Operation| operation.key(message.id());
        ConsumerBuilder(Settings {
            engine: engine.as_engine().clone(),
            operation: Operation::new(name),
            key: Arc::new(key),
            is_keyed_by_id: true,
            scope: None,
            order: None,
            compares_payloads: true,
            concurrency: CONCURRENCY,
            attempts: Attempts::default(),
            stop_within: STOP_WITHIN,
            on_settled: None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.settings.operation.name
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The options of a [`Consumer`]. [`handler`](Self::handler) ends them.
#[must_use = "a consumer needs a handler, and then runs"]
pub struct ConsumerBuilder(Settings);

impl ConsumerBuilder {
    /// Sets what makes two messages the same one. Default: the [id](Message::id).
    ///
    /// A message whose key is `None` or empty is [parked](super::ParkReason::InvalidKey).
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, consumer::{Consumer, Message}};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let builder = Consumer::builder("shop.order-placed", &engine)
    ///     .key(|message: &Message| message.header("order").map(str::to_owned));
    /// ```
    pub fn key<K: Key>(mut self, key: impl Fn(&Message) -> K + Send + Sync + 'static) -> Self {
        self.0.key = Arc::new(move |message, operation| operation.key(&key(message)));
        self.0.is_keyed_by_id = false;
        self
    }

    /// Sets whose a message is: the tenant, which becomes part of the record's identity and may have a
    /// [share](crate::engine::ScopeShare) of the store. Default: none.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, consumer::{Consumer, Message}};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let builder = Consumer::builder("shop.order-placed", &engine)
    ///     .scope(|message: &Message| message.header("tenant").map(str::to_owned));
    /// ```
    pub fn scope<K: Key>(mut self, scope: impl Fn(&Message) -> K + Send + Sync + 'static) -> Self {
        self.0.scope = Some(Arc::new(move |message, call| call.scope(scope(message))));
        self
    }

    /// Runs the messages of one key one after the other, in the order in which this worker receives them. Those of other
    /// keys, and those without one, go on meanwhile. Default: all run at once.
    ///
    /// A message that failed keeps its place: until it has succeeded or is [parked](super::Verdict::Parked), those of its key
    /// that come after it are told to come again later. So does one of which the broker may not have been told. One that does not
    /// come again to this worker loses its place ten seconds after its pause, or after the broker's deadline if that is shorter,
    /// beside twice what the broker [says](super::Terms::lateness()) that it may be late.
    ///
    /// At most half of the [concurrency](Self::concurrency) waits for its turn in hand; of a key whose message has been running for a
    /// second, the next one alone, and after ten seconds none. The rest is told to come again, a second later at first, and
    /// the more rarely the longer the key is stuck: every 30 seconds at last. So one slow key does not hold up the others. Such deliveries end as [`Busy`](super::DeliveryOutcome::Busy), and are no attempts.
    ///
    /// # What is not promised
    ///
    /// * After a place was lost, the followers run, and the message runs after them if it comes then: a broker that delivers it
    ///   later than its place is kept, such as after an outage of its own.
    /// * A worker that restarts knows nothing of what an earlier one has told to come again: followers that are delivered first
    ///   run first.
    /// * A message whose pause has no end, such as a [`RetryAfter`](super::Failure::RetryAfter) of years, sticks its key for
    ///   that long.
    /// * A broker that delivers only so many unsettled messages, such as `JetStream` by `max_ack_pending`, delivers nothing at all
    ///   once one stuck key has that many: let that limit be above the longest backlog of one key.
    ///
    /// **This is the order of one worker.** Where several share a queue, two of them may have messages of one key in hand at the
    /// same time: give each worker a queue, a stream or a subject of its own, chosen by the key. And it is the order in which
    /// the broker delivers, which is not that of publishing if producers send at once.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, consumer::{Consumer, Message}};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let builder = Consumer::builder("shop.order-changed", &engine)
    ///     .ordered_by(|message: &Message| message.header("order").map(str::to_owned));
    /// ```
    ///
    /// If the function panics, the message is [parked](super::ParkReason::InvalidKey).
    pub fn ordered_by(
        mut self,
        key: impl Fn(&Message) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.0.order = Some(Arc::new(key));
        self
    }

    /// Does not compare the payloads of messages with one key. Default: a message whose key was used with another
    /// payload is [parked](super::ParkReason::Mismatch). Write this for producers that publish a message again with
    /// something in it that has changed, such as the time.
    pub fn without_fingerprint(mut self) -> Self {
        self.0.compares_payloads = false;
        self
    }

    /// Sets how many messages are handled at once, at least 1. Default: 16. Beside them, as many that have been handled may wait
    /// until the broker has confirmed their acknowledgements.
    pub fn concurrency(mut self, messages: usize) -> Self {
        self.0.concurrency = NonZeroUsize::new(messages).unwrap_or(NonZeroUsize::MIN);
        self
    }

    /// Sets how often a handler may fail before its message is parked, and the pauses between. Default: 8 times, from
    /// 1 second to 5 minutes.
    pub fn attempts(mut self, attempts: Attempts) -> Self {
        self.0.attempts = attempts;
        self
    }

    /// Sets how long it is remembered that a message was handled. Default: the engine's, which is 24 hours unless it
    /// was set. A message that the broker delivers again after that runs again, so it must be longer than the broker
    /// and its producers can be away.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.0.operation = self.0.operation.ttl(ttl);
        self
    }

    /// Sets how long the reservation of a message outlives a dead worker. Default: the engine's, but at most half of
    /// the time after which the broker delivers a message again; more than that is refused at the start.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.0.operation = self.0.operation.lease(lease);
        self
    }

    /// Sets how long a handler may run. Default: the engine's, which is 1 hour unless it was set. One that runs for
    /// longer is dropped where it awaits; its key is held for the lease, and the attempt counts as failed.
    pub fn max_run(mut self, max_run: Duration) -> Self {
        self.0.operation = self.0.operation.max_run(max_run);
        self
    }

    /// Sets what happens to a message whose worker died while its handler ran. Default:
    /// [`AtLeastOnce`](Guarantee::AtLeastOnce), it runs again. Under [`AtMostOnce`](Guarantee::AtMostOnce) it is
    /// [parked](super::ParkReason::Indeterminate), and so is one whose handler panics or hangs; but an error means that nothing
    /// happened, and has the handler run again, unless [`handler_with`](Self::handler_with) says [`Failure::Unknown`]. [`ExactlyOnce`](Guarantee::ExactlyOnce) is refused at the start,
    /// unless the handler runs within a transaction (`within`, with the features `postgres` and `sqlite`).
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.0.operation = self.0.operation.guarantee(guarantee);
        self
    }

    /// Sets how long running handlers may finish once the consumer stops. Default: 30 seconds. A broker that does not
    /// answer then takes up to ten seconds more.
    pub fn stop_within(mut self, limit: Duration) -> Self {
        self.0.stop_within = limit;
        self
    }

    /// Calls a function with what became of each delivery, once its broker has been told: for tests, and for counts
    /// of your own. It must neither block nor panic.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, consumer::Consumer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let builder = Consumer::builder("shop.order-placed", &engine)
    ///     .on_settled(|settled| println!("{}: {:?}", settled.message.id(), settled.outcome));
    /// ```
    pub fn on_settled(mut self, settled: impl Fn(&Settled<'_>) + Send + Sync + 'static) -> Self {
        self.0.on_settled = Some(Arc::new(settled));
        self
    }

    /// The consumer, whose handler is this function. Every error of it means [`Failure::Retry`]: that nothing happened. That
    /// is so under [`AtMostOnce`](Guarantee::AtMostOnce), too, and warned of at the start: a handler that may fail after it has
    /// taken effect needs [`handler_with`](Self::handler_with) there.
    ///
    /// Inside it, [`current`](crate::current) is the message's call, so derived keys, steps and the outbox work as in
    /// every call.
    pub fn handler<A: 'static>(self, handler: impl Handler<A>) -> Consumer {
        self.into_consumer(Arc::new(Handling::<_, A>::retrying(handler)))
    }

    /// The same with a function that says what an error means. If it panics, that is [`Failure::Unknown`]. Errors after which
    /// nobody knows whether the handler took effect, such as a timeout of what it asks, are [`Failure::Unknown`], too.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore};
    /// use idempotent_core::consumer::{Consumer, Failure};
    ///
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// async fn ship(address: String) -> Result<(), String> {
    ///     if address.is_empty() { Err("nowhere to go".to_owned()) } else { Ok(()) }
    /// }
    ///
    /// let consumer = Consumer::builder("shop.ship", &engine)
    ///     .handler_with(ship, |error| match error.as_str() {
    ///         "nowhere to go" => Failure::Permanent,
    ///         _ => Failure::Retry,
    ///     });
    /// ```
    pub fn handler_with<A: 'static, H: Handler<A>>(
        self,
        handler: H,
        judge: fn(&H::Err) -> Failure,
    ) -> Consumer {
        self.into_consumer(Arc::new(Handling::new(handler, judge)))
    }

    pub(super) fn into_consumer(self, process: Arc<dyn Process>) -> Consumer {
        Consumer { settings: self.0, process }
    }
}

impl fmt::Debug for ConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerBuilder")
            .field("operation", &self.0.operation)
            .field("concurrency", &self.0.concurrency)
            .field("attempts", &self.0.attempts)
            .finish_non_exhaustive()
    }
}
