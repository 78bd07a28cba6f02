//! Consumers of message brokers, whose handler takes effect once per message.
//!
//! Brokers deliver a message again after a crash, a late acknowledgement or a slow handler. A [`Consumer`] reserves the
//! message's id in the engine's store, runs the handler, records that, and only then acknowledges; a message that was
//! handled before is acknowledged without running.
//!
//! ```no_run
//! # #[cfg(feature = "consumer-jetstream")]
//! # mod shop {
//! use std::time::Duration;
//!
//! use idempotent_core::Idempotency;
//! use idempotent_core::consumer::jetstream::JetStreamSource;
//! use idempotent_core::consumer::{Attempts, Backoff, Consumer, Json};
//!
//! #[derive(serde::Deserialize)]
//! struct OrderPlaced {
//!     order: u64,
//! }
//!
//! # async fn place(_: u64) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn start(engine: Idempotency) -> Result<(), Box<dyn std::error::Error>> {
//! let consumer = Consumer::builder("shop.order-placed", &engine)
//!     .concurrency(64)
//!     .attempts(
//!         Attempts::max(8)
//!             .backoff(Backoff::exponential(Duration::from_secs(1), Duration::from_secs(300))),
//!     )
//!     .handler(|Json(placed): Json<OrderPlaced>| place(placed.order));
//!
//! let client = async_nats::connect("nats://nats.internal").await?;
//! let source = JetStreamSource::new(async_nats::jetstream::new(client), "ORDERS", "billing")
//!     .dead_letters("dead.orders");
//! consumer.run(source, std::future::pending()).await?;
//! # Ok(()) }
//! # }
//! ```
//!
//! # The rule
//!
//! A message is acknowledged only if the store says that its call is completed, whoever ran it. A consumer that has
//! lost the lease of a message sends nothing about it that could hit another's delivery.
//!
//! | what happened | the broker is told |
//! |---|---|
//! | the handler has run, or ran before | [`Completed`](Verdict::Completed) |
//! | another delivery of the message is being handled | [`Busy`](Verdict::Busy): deliver it again, at the latest when the lease is over |
//! | the handler failed, which means that nothing happened unless you [say otherwise](Failure::Unknown), panicked, or ran for too long, and attempts are left | [`Retry`](Verdict::Retry), after the [backoff](Attempts::backoff) |
//! | the same, and none is left; or the error is [permanent](Failure::Permanent) | [`Parked`](Verdict::Parked), after the key is released |
//! | the message cannot be decoded, has no usable key, or has the id of another payload | [`Parked`](Verdict::Parked); no record is touched |
//! | the call is [indeterminate](crate::ErrorKind::Indeterminate) | [`Parked`](Verdict::Parked); the record stays until it is [resolved](crate::Idempotency::resolve) |
//! | the store does not answer | nothing yet: the message stays in hand, and is kept alive; so does a result that is not recorded yet |
//! | the lease was lost, and the store does not say that the call is completed | nothing: [`Left`](Verdict::Left) |
//! | the consumer stops before the handler starts | [`GivenBack`](Verdict::GivenBack) |
//!
//! **A parked message can be replayed.** What the consumer releases is its own reservation, and attempts are counted by
//! [position](Message::position), so a copy that an operator publishes again under the same id runs.
//!
//! **While the store is away**, a consumer pauses: as many messages as its [concurrency](ConsumerBuilder::concurrency)
//! are in hand and are kept alive, no more are received, no attempt is counted, and one of them at a time asks the
//! store again, every 2 seconds at the longest. A handler that has run does not run again because of that: its result is kept,
//! and recorded once the store is back, after its lease as well, unless another worker has taken the key.
//!
//! **Exactly once in a database.** With the features `postgres` and `sqlite`, `ConsumerBuilder::within` runs the handler
//! within a transaction, which commits the record with what the handler writes there.
//!
//! **Order.** With [`ordered_by`](ConsumerBuilder::ordered_by), messages of one key run one after the other in each worker.
//!
//! # Parts
//!
//! A [`Source`] gives the [deliveries](Delivery) of one broker. `jetstream` is that of NATS, `redis_streams` that of
//! Redis and Valkey, the packages `idempotent-rabbitmq` and `idempotent-kafka` have those of RabbitMQ and Kafka, and `testing::sources` has one in memory and
//! the contract suite that every source keeps. What a handler takes
//! is [`FromMessage`].
//!
//! # Observing consumers
//!
//! Every delivery has a `tracing` span `consume` with the attributes of `OpenTelemetry`'s conventions for messaging,
//! and the fields `attempt`, `outcome`, `verdict` and `published_in`; the span of its call is a child. If the engine has a
//! [`TraceContext`](crate::engine::TraceContext), it links the span to the one in the message's header `traceparent`.
//! Parked messages are logged at `ERROR`, and so is the beginning of an outage of the store.
//! [`on_settled`](ConsumerBuilder::on_settled) tells the same to your code. With the feature `metrics`:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `idempotent_consumer_deliveries_total` | counter | `consumer`, `outcome`: see [`DeliveryOutcome`] |
//! | `idempotent_consumer_handler_seconds` | histogram | `consumer`, `outcome` |
//! | `idempotent_consumer_attempts` | histogram, of the number of the attempt in each run | `consumer` |
//! | `idempotent_consumer_parked_total` | counter | `consumer`, `reason`: see [`ParkReason`] |
//! | `idempotent_consumer_in_hand` | gauge | `consumer` |
//! | `idempotent_consumer_lag` | gauge, of messages behind the last delivery, where the broker says so | `consumer` |
//! | `idempotent_consumer_paused` | gauge, 1 while the store does not answer | `consumer` |
//! | `idempotent_consumer_trimmed_total` | counter, of messages that a Redis stream has dropped before they were settled, those that were parked included | `consumer` |

mod acquire;
mod announce;
mod attempt_log;
mod attempts;
mod builder;
mod catch_panic;
mod cloud_event;
mod complete;
mod confirming;
mod context;
mod delivery;
mod error;
mod execute;
mod failure;
mod handler;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
mod inbox;
#[cfg(feature = "consumer-jetstream")]
#[cfg_attr(docsrs, doc(cfg(feature = "consumer-jetstream")))]
pub mod jetstream;
mod keep_alive;
mod message;
mod ordering;
mod outage;
mod outcome;
mod payload;
mod process;
#[cfg(feature = "tonic")]
mod protobuf;
#[cfg(feature = "consumer-redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "consumer-redis")))]
pub mod redis_streams;
mod room;
mod run;
mod settings;
mod settle;
mod source;
mod telemetry;
mod verdict;

pub use self::attempts::{Attempts, Backoff};
pub use self::builder::{Consumer, ConsumerBuilder};
pub use self::cloud_event::{CloudEvent, InvalidCloudEvent, cloud_event_key};
pub use self::delivery::{Delivery, Settle};
pub use self::error::{ConsumerError, SettleError, SourceError, SourceErrorKind};
pub use self::failure::Failure;
pub use self::handler::Handler;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "postgres", feature = "sqlite"))))]
pub use self::inbox::{InboxBuilder, InboxHandler, InboxPool, InboxTransaction};
pub use self::message::Message;
pub use self::outcome::{DeliveryOutcome, Settled};
pub use self::payload::{FromMessage, InvalidPayload, Json};
#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
pub use self::protobuf::Protobuf;
pub use self::source::{Needs, Source, Terms};
pub use self::verdict::{ParkReason, Verdict};
