//! [`KafkaSource`]: deliveries of a consumer group.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Delivery, Needs, Source, SourceError, Terms};
use rdkafka::ClientConfig;
use rdkafka::producer::FutureProducer;

use crate::client_config::{of_consumer, of_producer, refused};
use crate::group::Group;
use crate::polling::Plan;
use crate::publisher::Publisher;
use crate::received::Reading;
use crate::settings::Settings;
use crate::start::{check, join};
use crate::state::{Stage, Taken};
use crate::verdict::{KafkaDelivery, Shared};

/// Deliveries of topics of Kafka, to one member of a consumer group.
///
/// ```no_run
/// use idempotent_core::Idempotency;
/// use idempotent_core::consumer::{Consumer, Json};
/// use idempotent_kafka::KafkaSource;
/// use idempotent_kafka::rdkafka::ClientConfig;
///
/// #[derive(serde::Deserialize)]
/// struct OrderPlaced {
///     order: u64,
/// }
///
/// # async fn start(engine: Idempotency) -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = ClientConfig::new();
/// client.set("bootstrap.servers", "kafka.internal:9092").set("group.id", "billing");
/// let source = KafkaSource::new(client, ["orders"])
///     .id_header("message-id")
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
/// A [header](Self::id_header) that you name. A message in which it is missing, empty, no UTF-8, or there more than once is
/// parked, and says so, unless the consumer has a [`key`](idempotent_core::consumer::ConsumerBuilder::key) of its own.
///
/// Without such a header the id is topic, partition and offset, such as `orders/3/42`. That is the same in every delivery. It is another
/// one in what a producer sends again, in what a tool copies to another cluster, and for a topic that was
/// deleted, whose successor has the same ones for other messages: those are parked as mismatches, until the records of the
/// former have expired.
///
/// # Order
///
/// Messages of a partition with the same record key run one after the other, in the order of the partition, also where one
/// of them fails and waits for its next attempt. Other keys go on, and so do messages without one.
/// [`unordered`](Self::unordered) lets all run at once.
///
/// # What is checked at the start
///
/// The properties of the client, and these options. The topics must exist, those of dead letters and retries
/// included, and the client must be allowed to read them and to join the group. Whether it may produce to them
/// is seen only when it does. The group is waited for until it has assigned partitions, for ten seconds at most.
///
/// # Properties of the client
///
/// All are yours, with these exceptions:
///
/// | property | here |
/// |---|---|
/// | `group.id` | required |
/// | `enable.auto.commit`, `enable.auto.offset.store` | `false`; `true` is refused |
/// | `auto.offset.reset` | `earliest`; `latest` is refused, since messages would be skipped: let a new group begin at the end with `kafka-consumer-groups --reset-offsets --to-latest` |
/// | `isolation.level` | `read_committed`; `read_uncommitted` is refused |
/// | `group.protocol` | `classic`; `consumer` is refused |
/// | `partition.assignment.strategy` | yours: eager ones and `cooperative-sticky`. All members of a group need the same |
/// | `group.instance.id` | yours. Such a member does not leave when it stops: its partitions wait for it for `session.timeout.ms` |
/// | `allow.auto.create.topics` | `false`, unless you set it |
/// | `enable.partition.eof` | `false`; `true` is refused |
/// | `queued.max.messages.kbytes` | 4096, unless you set it: how much the client fetches ahead of each partition that this member has. librdkafka's own default is 65536 |
///
/// TLS, SASL by SCRAM or Kerberos, and zstd are features of the client: add `rdkafka` to your own `Cargo.toml` with them.
#[must_use = "a source does nothing until a consumer runs with it"]
pub struct KafkaSource {
    settings: Settings,
    started: Option<Started>,
}

struct Started {
    shared: Arc<Shared>,
    _member: Member,
    has_warned: bool,
}

/// A member of the group, for as long as the source is there.
struct Member(Arc<Group>);

impl Drop for Member {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl KafkaSource {
    /// Reads these topics as a member of the group that the client's `group.id` names.
    pub fn new<T: Into<String>>(client: ClientConfig, topics: impl IntoIterator<Item = T>) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self { settings: Settings::of(client, topics), started: None }
    }

    /// Parks messages on the topic with this name, which must exist. Required.
    ///
    /// A dead letter has the key, the payload and the headers of its message, and headers that say its [id](crate::ID),
    /// [why](crate::REASON) it was parked, [what went wrong](crate::ERROR) and [where](crate::PARKED_AT) it was. To replay it,
    /// produce it to the topic again with these headers: it has all of its attempts again. The topic must take
    /// messages that are somewhat longer than those of the topic itself (`max.message.bytes`), and keep them
    /// for long enough (`retention.ms`).
    pub fn dead_letters(mut self, topic: impl Into<String>) -> Self {
        self.settings.dead_letters = Some(topic.into());
        self
    }

    /// Lets messages that failed wait on this topic for their next attempt, which must exist. Default: they wait here, and
    /// the offset of their partition with them.
    ///
    /// The source reads that topic as well. A message there is due at a time in a [header](crate::DUE), by the clock of the
    /// worker that wrote it. Messages of a key are out of order once one of them waits there. Dead letters come from
    /// it as they come from the others.
    pub fn retry_topic(mut self, topic: impl Into<String>) -> Self {
        self.settings.retry_topic = Some(topic.into());
        self
    }

    /// Takes the id of a message from the header with this name. Default: topic, partition and offset.
    pub fn id_header(mut self, name: impl Into<String>) -> Self {
        self.settings.id_header = Some(name.into());
        self
    }

    /// Lets messages of one record key run at once. Default: one after the other.
    pub fn unordered(mut self) -> Self {
        self.settings.is_ordered = false;
        self
    }

    /// Sets how many messages of a partition are received since its lowest unfinished one, that one included. Default: 500.
    ///
    /// No offset is committed beyond an unfinished message, so all that are ahead of it come again if this worker ends,
    /// and are replayed. Once there are that many, the partition waits for that one message, and the others go on. Those
    /// that wait for one of their key are kept in memory: up to this many of each partition, times their size, beside what the
    /// client has fetched ahead (`queued.max.messages.kbytes`).
    pub fn max_ahead(mut self, messages: usize) -> Self {
        self.settings.max_ahead = messages;
        self
    }

    /// Sets how often offsets are committed. Default: every second. They are committed, too, before a partition is given
    /// up, and when the source stops.
    pub fn commit_every(mut self, interval: Duration) -> Self {
        self.settings.commit_every = interval;
        self
    }

    /// Sets for how long messages in hand may finish when the group wants their partition back. Default: 20 seconds; at most half of
    /// `max.poll.interval.ms`, since the whole group waits. With `cooperative-sticky`, too, the client fetches nothing of this
    /// member's other partitions meanwhile.
    ///
    /// So long, too, they may go on when the source is dropped, before its member leaves the group.
    ///
    /// What has not finished then is another worker's, which waits for as long as the message is in hand here. What becomes of it
    /// here is recorded in the store, and commits nothing.
    pub fn drain_within(mut self, limit: Duration) -> Self {
        self.settings.drain_within = limit;
        self
    }

    /// Sets after how long a message comes again that a consumer has dropped without a verdict, since it had lost its lease.
    /// Default: 45 seconds, which is the default of `session.timeout.ms`; at most `max.poll.interval.ms`.
    ///
    /// A consumer's lease is at most half of it.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Produces dead letters and retries with a client of these properties. Default: those of the source's client, as far
    /// as they are not about consuming, with `enable.idempotence`. `acks` other than `all` is refused.
    pub fn producer(mut self, client: ClientConfig) -> Self {
        self.settings.producer = Some(client);
        self
    }
}

impl Started {
    fn warn_once(&mut self, fault: Option<&'static str>) {
        if let (Some(fault), false) = (fault, self.has_warned) {
            self.has_warned = true;
            tracing::warn!("a message cannot be told from others: {fault}");
        }
    }
}

#[async_trait]
impl Source for KafkaSource {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        let settings = &self.settings;
        check(settings)?;
        let consumer = of_consumer(settings)?;
        let producer: FutureProducer = of_producer(settings)?.create().map_err(refused)?;
        let group = Arc::new(Group::new(settings.is_ordered, settings.max_ahead));
        let member = Member(Arc::clone(&group));
        let plan = Plan {
            topics: settings.subscribed().into_iter().map(str::to_owned).collect(),
            reading: Reading {
                id_header: settings.id_header.clone(),
                retry_topic: settings.retry_topic.clone(),
            },
            commit_every: settings.commit_every,
            drain_within: settings.drain_within,
        };
        join(consumer, settings, &group, plan).await?;
        let shared = Arc::new(Shared {
            group,
            publisher: Publisher::new(producer),
            consumer: needs.consumer.clone(),
            dead_letters: settings.dead_letters.clone().unwrap_or_default(),
            retry_topic: settings.retry_topic.clone(),
            deadline: settings.deadline,
        });
        self.started = Some(Started { shared, _member: member, has_warned: false });
        Ok(Terms::new("kafka", settings.topics.join(",")).deadline(settings.deadline))
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        let Some(started) = &mut self.started else {
            return Err(SourceError::misconfigured("the source was not started"));
        };
        let shared = Arc::clone(&started.shared);
        loop {
            let mut changed = std::pin::pin!(shared.group.changed());
            changed.as_mut().enable();
            if let Some(taken) = shared.group.take(room.get())? {
                let Taken { handle, received, delivery_count } = taken;
                started.warn_once(received.fault);
                let message = match delivery_count {
                    Some(count) => received.message.clone().with_delivery_count(count),
                    None => received.message.clone(),
                };
                let settle = KafkaDelivery::new(Arc::clone(&shared), handle, received);
                return Ok(Delivery::new(message, settle).with_deadline(shared.deadline));
            }
            if shared.group.stage() != Stage::Running {
                return Err(SourceError::gone("the source has left its group"));
            }
            changed.await;
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        if let Some(started) = &self.started {
            started.shared.group.stop();
            started.shared.group.left().await;
        }
        Ok(())
    }
}

impl fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSource")
            .field("topics", &self.settings.topics)
            .field("dead_letters", &self.settings.dead_letters)
            .finish_non_exhaustive()
    }
}
