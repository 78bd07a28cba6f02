//! [`RabbitMqSource`]: deliveries of a queue.

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Delivery, Needs, Source, SourceError, SourceErrorKind, Terms};
use lapin::Connection;
use tokio::sync::Mutex;

use crate::connector::Connector;
use crate::copies::Original;
use crate::delay_queues::DelayQueues;
use crate::link::Link;
use crate::publisher::Publisher;
use crate::queue::Queue;
use crate::received;
use crate::settings::{DeadLetters, Settings};
use crate::start::{check, find_others, find_queue, refused};
use crate::subscription::{Ended, Subscription};
use crate::verdict::{Copy, InHand, NO_ID, RabbitMqDelivery, Shared};

/// A connection that breaks sooner is not replaced at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Deliveries of a queue of RabbitMQ.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::consumer::{Consumer, Json};
/// use idempotent_rabbitmq::{Queue, RabbitMqSource};
///
/// #[derive(serde::Deserialize)]
/// struct OrderPlaced {
///     order: u64,
/// }
///
/// # async fn start(engine: Idempotency) -> Result<(), Box<dyn std::error::Error>> {
/// let source = RabbitMqSource::new("amqp://rabbit.internal/%2f", "orders")
///     .declare(Queue::quorum())
///     .dead_letters("orders.dead");
/// let consumer = Consumer::builder("shop.order-placed", &engine)
///     .handler(|Json(placed): Json<OrderPlaced>| async move {
///         println!("order {} is placed", placed.order);
///         Ok::<_, std::io::Error>(())
///     });
/// consumer.run(source, std::future::pending()).await?;
/// # Ok(()) }
/// ```
///
/// # The id of a message
///
/// The property `message-id`, or a [header](Self::id_header). A message without one cannot be told from another, so it
/// is parked at its first delivery, unless the consumer has a [`key`](idempotent_core::consumer::ConsumerBuilder::key)
/// of its own.
///
/// # What is checked at the start
///
/// The queue and that of the dead letters must exist, unless the source [declares](Self::declare) the former. The user
/// must be allowed to read the queue, to write to the default exchange and to that of the dead letters, and, unless
/// there are [delay queues](Self::delay_queues), to configure queues whose names begin with the queue's and `.delay.`.
///
/// A delivery limit, as far as it is [declared](Queue::delivery_limit) or [told](Self::delivery_limit), must be at least
/// 20, and twice the consumer's attempts: the broker counts every delivery that a worker gave back or died with.
///
/// A handler may run for three quarters of the [consumer timeout](Self::consumer_timeout). A consumer whose
/// `max_run` is longer is refused.
#[must_use = "a source does nothing until a consumer runs with it"]
pub struct RabbitMqSource {
    pub(crate) connector: Connector,
    settings: Settings,
    started: Option<Started>,
}

struct Started {
    shared: Arc<Shared>,
    /// `None` while there is no connection.
    subscription: Option<Subscription>,
    /// How many deliveries are in hand at most.
    concurrency: usize,
    has_warned: bool,
}

impl RabbitMqSource {
    /// Reads the queue with this name at the broker with this URI, such as `amqp://user:password@host:5672/vhost`. The
    /// default virtual host is `%2f`. `amqps` is TLS, and needs the feature `rustls`: without it, it is refused, since the
    /// client would speak without TLS.
    pub fn new(uri: impl Into<String>, queue: impl Into<String>) -> Self {
        Self::with(Connector::to_uri(uri), queue.into())
    }

    /// The same with connections of your own, for instance with certificates of your own, or to the nodes of a cluster in
    /// turn. The function is called for two connections, and whenever one is lost.
    ///
    /// Leave the client's automatic recovery off in it, as it is by default: what was in hand has another delivery after
    /// it, and acknowledgements from before are dropped. The client does not say whether it is on. Once a
    /// connection is found that recovers, that is logged as an error, and the connection is closed and replaced.
    ///
    /// lapin 4.12 leaves two tasks behind for each connection that is refused or reset before it is open, for as long as the
    /// process lives. Those of [`new`](Self::new) are ended; of a function like this one they stay, unless it connects with a
    /// runtime of its own.
    ///
    /// ```no_run
    /// use idempotent_rabbitmq::RabbitMqSource;
    /// use idempotent_rabbitmq::lapin::{Connection, ConnectionProperties};
    ///
    /// let source = RabbitMqSource::connecting(
    ///     || Connection::connect("amqp://rabbit.internal/%2f", ConnectionProperties::default()),
    ///     "orders",
    /// );
    /// ```
    pub fn connecting<F, Fut>(connect: F, queue: impl Into<String>) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = lapin::Result<Connection>> + Send + 'static,
    {
        Self::with(Connector::by(connect), queue.into())
    }

    fn with(connector: Connector, queue: String) -> Self {
        Self { connector, settings: Settings::of(queue), started: None }
    }

    /// Declares the queue, also after it was deleted. Without this, it must exist.
    ///
    /// One that exists with other arguments is refused at the start.
    pub fn declare(mut self, queue: Queue) -> Self {
        self.settings.declared = Some(queue);
        self
    }

    /// Parks messages on the queue with this name, which must exist. This, or
    /// [`dead_letters_by`](Self::dead_letters_by), is required.
    ///
    /// A dead letter has the payload, the properties and the headers of its message, and headers that say
    /// [why](crate::REASON) it was parked, [what went wrong](crate::ERROR) and [where](crate::QUEUE) it was. To replay it,
    /// publish it to the queue again with these headers: that is what a shovel does, and *Move messages* in
    /// the management plugin.
    pub fn dead_letters(mut self, queue: impl Into<String>) -> Self {
        self.settings.dead_letters = DeadLetters::Queue(self.settings.name(queue.into()));
        self
    }

    /// Parks messages by publishing them to this exchange, with this routing key. A message that no queue takes is not
    /// parked, and is tried again.
    pub fn dead_letters_by(
        mut self,
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
    ) -> Self {
        let exchange = self.settings.name(exchange.into());
        let routing_key = self.settings.name(routing_key.into());
        self.settings.dead_letters = DeadLetters::Exchange(exchange, routing_key);
        self
    }

    /// Lets messages wait on these queues for their next delivery, by how long a message stays there. Each must send
    /// what is over to the source's queue: `x-message-ttl`, `x-dead-letter-exchange` and
    /// `x-dead-letter-routing-key`. The one with the shortest delay that is long enough is taken, or the one with the
    /// longest.
    ///
    /// Default: the source declares quorum queues with names such as `orders.delay.4000ms` when they are first needed, and
    /// rounds up by a quarter at most. They have `x-dead-letter-strategy: at-least-once`, which RabbitMQ has since 3.10.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use idempotent_rabbitmq::RabbitMqSource;
    ///
    /// let source = RabbitMqSource::new("amqp://rabbit.internal/%2f", "orders").delay_queues([
    ///     (Duration::from_secs(10), "orders.wait.10s"),
    ///     (Duration::from_secs(300), "orders.wait.5m"),
    /// ]);
    /// ```
    pub fn delay_queues<N: Into<String>>(
        mut self,
        queues: impl IntoIterator<Item = (Duration, N)>,
    ) -> Self {
        let queues = queues.into_iter();
        let mut queues: Vec<_> =
            queues.map(|(delay, name)| (delay, self.settings.name(name.into()))).collect();
        queues.sort_by_key(|(delay, _)| *delay);
        self.settings.delay_queues = Some(queues);
        self
    }

    /// Takes the id of a message from the header with this name. Default: the property `message-id`.
    pub fn id_header(mut self, name: impl Into<String>) -> Self {
        self.settings.id_header = Some(name.into());
        self
    }

    /// Sets after how long a message comes again that a consumer has dropped without a verdict, since it had lost its lease,
    /// or since its broker took none. Default: 60 seconds.
    ///
    /// A consumer's lease is at most half of it. The message of a process that has died comes again at once.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Says what the broker's `consumer_timeout` is: how long it waits for a verdict before it closes the channel, and with
    /// it takes all deliveries back. Default: 30 minutes, which is the broker's own default.
    pub fn consumer_timeout(mut self, timeout: Duration) -> Self {
        self.settings.consumer_timeout = timeout;
        self
    }

    /// Says what the queue's delivery limit is, where it has one, of a policy or of whoever has declared it. A client
    /// cannot ask for it. RabbitMQ 4 has one of 20 unless told otherwise.
    pub fn delivery_limit(mut self, limit: u32) -> Self {
        self.settings.delivery_limit = Some(limit);
        self
    }

    fn terms(&self) -> Terms {
        let settings = &self.settings;
        let terms = Terms::new("rabbitmq", settings.queue.as_str())
            .deadline(settings.deadline)
            // What comes before and after the handler takes its time, too.
            .longest_run(settings.consumer_timeout / 4 * 3);
        match settings.declared.as_ref().and_then(|queue| queue.message_ttl) {
            Some(ttl) => terms.keeps_for(ttl),
            None => terms,
        }
    }
}

impl Started {
    fn delivery(
        &mut self,
        settings: &Settings,
        link: Arc<Link>,
        mut received: lapin::message::Delivery,
    ) -> Delivery {
        let exchange = received::exchange(&received);
        let routing_key = received::routing_key(&received);
        let id_header = settings.id_header.as_deref();
        let read = received::read(settings.queue.as_str(), id_header, &mut received);
        if read.id().is_empty() && !self.has_warned {
            self.has_warned = true;
            let queue = settings.queue.as_str();
            tracing::warn!(queue, "a message cannot be told from others: {NO_ID}");
        }
        let settle = RabbitMqDelivery(Arc::new(InHand {
            shared: Arc::clone(&self.shared),
            link,
            read: read.clone(),
            original: Original { properties: received.properties, exchange, routing_key },
            acker: received.acker,
            copy: Mutex::new(Copy::None),
            silences: AtomicU32::new(0),
            is_told: AtomicBool::new(false),
        }));
        Delivery::new(read, settle).with_deadline(settings.deadline)
    }
}

/// Connects, and begins to consume the queue.
async fn subscribe(
    connector: &Connector,
    settings: &Settings,
    concurrency: usize,
) -> Result<Subscription, SourceError> {
    let connection = connector.connect().await?;
    find_queue(&connection, settings).await?;
    let link = Link::open(connection).await.map_err(SourceError::unavailable)?;
    Ok(Subscription::new(Arc::new(link), settings.queue.clone(), concurrency))
}

/// While a consumer runs, what is refused or missing may be there again soon, such as a queue that is deleted and declared
/// anew.
fn for_now(error: SourceError) -> SourceError {
    match error.kind() {
        SourceErrorKind::Unavailable => error,
        _ => SourceError::unavailable(error),
    }
}

#[async_trait]
impl Source for RabbitMqSource {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        let settings = &self.settings;
        if let Some(name) = &settings.too_long {
            let text = format!("the name `{name}` is longer than 255 bytes");
            return Err(SourceError::misconfigured(text));
        }
        check(settings, needs)?;
        let delays = match &settings.delay_queues {
            Some(queues) => DelayQueues::Existing(queues.clone()),
            None => DelayQueues::declared(settings.queue.clone()),
        };
        let connection = self.connector.connect().await?;
        find_queue(&connection, settings).await?;
        find_others(&connection, settings).await?;
        // Those that are needed when a source stops: of what was in hand, for as long as a lease is by default, and of what was
        // dropped.
        for after in [settings.deadline, settings.deadline / 2] {
            let found = delays.of(&connection, after).await;
            found.map_err(|error| refused("a delay queue", error))?;
        }
        let link = Link::open(connection).await.map_err(SourceError::unavailable)?;
        let concurrency = needs.concurrency.clamp(1, usize::from(u16::MAX));
        let subscription = Subscription::new(Arc::new(link), settings.queue.clone(), concurrency);
        let shared = Arc::new(Shared {
            publisher: Publisher::new(self.connector.clone(), delays, settings.deadline),
            consumer: needs.consumer.clone(),
            queue: settings.queue.clone(),
            dead_letters: settings.route_of_dead_letters(),
            deadline: settings.deadline,
        });
        self.started = Some(Started {
            shared,
            subscription: Some(subscription),
            concurrency,
            has_warned: false,
        });
        Ok(self.terms())
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        let (connector, settings) = (&self.connector, &self.settings);
        let Some(started) = &mut self.started else {
            return Err(SourceError::misconfigured("the source was not started"));
        };
        loop {
            let subscription = match &mut started.subscription {
                Some(subscription) => subscription,
                None => {
                    let subscribed = subscribe(connector, settings, started.concurrency).await;
                    let subscription = subscribed.map_err(for_now)?;
                    started.subscription.insert(subscription)
                }
            };
            let link = Arc::clone(&subscription.link);
            match subscription.next(room.get()).await {
                Ok(received) => return Ok(started.delivery(settings, link, received)),
                Err(Ended::Cancelled) => {
                    tracing::info!(
                        queue = settings.queue.as_str(),
                        "the broker has cancelled the consumer"
                    );
                    started.subscription = None;
                }
                Err(Ended::Broken(error)) => {
                    started.subscription = None;
                    link.abandon();
                    if link.opened_at.elapsed() < SHORT_LIFE {
                        return Err(SourceError::unavailable(error));
                    }
                    let error = &error as &dyn std::error::Error;
                    tracing::info!(
                        error,
                        "the channel of a consumer is closed, and is opened anew"
                    );
                }
            }
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        let subscription = self.started.as_mut().and_then(|started| started.subscription.take());
        if let Some(subscription) = subscription {
            subscription.stop().await;
        }
        Ok(())
    }
}

impl fmt::Debug for RabbitMqSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqSource")
            .field("queue", &self.settings.queue.as_str())
            .field("dead_letters", &self.settings.dead_letters)
            .finish_non_exhaustive()
    }
}
