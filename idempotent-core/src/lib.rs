//! Make an async function safe to repeat: reserve its key, run it once, replay its result.
//!
//! ```
//! use idempotent_core::{Error, idempotent};
//!
//! #[idempotent(key = order, name = "shop.charge", ttl = "24h", wait = "5s")]
//! async fn charge(order: u64, cents: u64) -> Result<String, Error> {
//!     Ok(format!("{cents} cents charged for order {order}"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let receipt = charge(7, 1990).await?;
//! let retried = charge(7, 1990).await?; // the body does not run again
//! assert_eq!(receipt, retried);
//! # Ok(()) }
//! ```
//!
//! Without configuration, records live in the memory of this process, and `at_most_once` is refused. One line at startup selects
//! another store: `install(Idempotency::new(RedisStore::connect(url).await?))?`.
//!
//! # Where to start
//!
//! The [`guide`] answers one question per page: [choosing a store](guide::choosing_a_store),
//! [keys and scopes](guide::keys_and_scopes), [guarantees and errors](guide::guarantees_and_errors),
//! [results](guide::results), [an HTTP service](guide::http_service),
//! [who sends a `POST` twice](guide::who_sends_a_post_twice),
//! [transactions and the outbox](guide::transactions_and_outbox),
//! [calls of several effects](guide::calls_of_several_effects), [consumers](guide::consumers), [testing](guide::testing),
//! [production](guide::production), [calls in doubt](guide::when_a_call_is_in_doubt), the
//! [runbook](guide::runbook) and [that of messages](guide::runbook_of_messages), [moving from a hand-written `SET NX`](guide::moving_from_set_nx), and
//! [moving to another store](guide::moving_to_another_store).
//!
//! # The parts
//!
//! * [`idempotent`] is the attribute. Its page lists every option.
//! * [`Operation`] does the same without the attribute: it holds the policy, and giving it a key
//!   makes a [`Call`]. Use [`Reservation`] when the work does not fit into one function.
//! * [`Idempotency`] is the engine: a [`Store`], defaults and limits. [`install`] sets the default
//!   engine of the process, [`engine::with_engine`] that of one future, and `engine = …` that of
//!   one function.
//! * [`Guarantee`] decides what happens to a key after a crash, [`Disposition`] what happens to it
//!   after a result.
//! * [`Error`] says why a call was refused. Each [`kind`](ErrorKind) has an HTTP status.
//! * [`step`] makes a part of a body one that a run after a crash does not repeat, and so does the attribute's flag `step`.
//! * [`current`] returns the call whose body is running: its fencing token, and keys derived from
//!   it for other systems.
//!
//! | module | what is in it |
//! |---|---|
//! | [`backends`] | the stores: `MemoryStore`, `NearCache`, `Migrating`, `RedisStore`, `PostgresStore`, `SqliteStore` |
//! | [`call`] | the types behind [`Call`]: outcomes, calls in a transaction, results with their own encoding |
//! | [`engine`] | an engine for one task, and the operator's side: inspecting and resolving records |
//! | [`model`] | what a record is: its id, its key's parts, its state |
//! | [`store`] | the contract that every store implements |
//! | `http`, `grpc`, `client`, `consumer`, `outbox` | the integrations, each behind its feature |
//! | `testing` | engines for tests, crashes, injected faults, a clock, the contract suite |
//!
//! # Results
//!
//! The `Ok` type must be `Serialize` and `DeserializeOwned`. Results are stored as MessagePack with
//! named fields, in serde's human-readable form. This supports flattened, untagged and tagged
//! enums, maps with keys of any type, `NaN` and infinities, bytes, `IpAddr`, and the types of
//! `chrono` and `uuid`.
//!
//! A type can be written in one form and read in another, for example by `#[serde(skip)]`. Debug
//! builds read every result back before they record it, and refuse the first call with
//! [`ErrorKind::NotReplayable`], which names the field: see
//! [`verify_results`](IdempotencyBuilder::verify_results) and [the guide](guide::results), which
//! lists what survives.
//!
//! If a result exceeds the engine's limit, or cannot be encoded in a release build, the caller still
//! receives it, but the record becomes a *tombstone*: retries are refused with
//! [`ErrorKind::ResultNotKept`], and the body does not run again.
//!
//! # Observing calls
//!
//! Every call has a `tracing` span `idempotent`, open from its start to its end, with the fields `operation`, `outcome`
//! (`executed`, `replayed`, `unrecorded`, `panicked`, `dropped`, or the code of an error), `disposition` (what became of
//! the key), `attempt`, `waited_ms`, `record` and `executed_in`. The feature `metrics` adds:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `idempotent_calls_total` | counter | `operation`, `outcome`, `disposition` |
//! | `idempotent_steps_total` | counter | `step`, `outcome` |
//! | `idempotent_journal_bytes_total` | counter | `operation` |
//! | `idempotent_poisoned_total` | counter | `operation` |
//! | `idempotent_short_lived_nested_total` | counter | `operation`, `nested` |
//! | `idempotent_resumed_total` | counter | `operation` |
//! | `idempotent_parked_total` | counter | `operation` |
//! | `idempotent_oldest_suspended_seconds` | gauge | |
//! | `idempotent_run_seconds` | histogram | `operation`, `outcome` |
//! | `idempotent_store_seconds` | histogram | `transition`, `result` |
//! | `idempotent_wait_seconds` | histogram | |
//! | `idempotent_in_flight` | gauge | |
//! | `idempotent_detached` | gauge | |
//! | `idempotent_indeterminate_records` | gauge | `operation` |
//! | `idempotent_lost_results_total` | counter | `operation` |
//! | `idempotent_lost_leases_total` | counter | `operation` |
//! | `idempotent_superseded_total` | counter | `operation` |
//! | `idempotent_dropped_total` | counter | `operation` |
//! | `idempotent_unknown_outcomes_total` | counter | `operation` |
//! | `idempotent_tombstones_total` | counter | `operation` |
//! | `idempotent_near_hits_total` | counter | |
//! | `idempotent_circuit_open` | gauge | |
//! | `idempotent_circuit_refusals_total` | counter | |
//! | `idempotent_reconcile_asks_total` | counter | `operation`, `outcome` |
//! | `idempotent_reconcile_oldest_seconds` | gauge | `operation` |
//! | `idempotent_build_info` | gauge | `version` |
//!
//! The page on [production](guide::production#metrics) says what they mean, and has
//! [alert rules](guide::production#alerts). The example `observability` has a dashboard, and traces of OpenTelemetry in
//! which replays are [linked](IdempotencyBuilder::trace_context) to the spans that ran.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `macros` | yes | the attribute |
//! | `moka` | yes | `MemoryStore`, `NearCache`, and the default engine |
//! | `redis` | | `RedisStore`, on one Redis or Valkey server |
//! | `redis-sentinel` | | `RedisStore` on servers that Sentinel monitors |
//! | `redis-cluster` | | `RedisStore` on a Redis Cluster |
//! | `postgres` | | `PostgresStore`, over TLS (rustls) to other machines; calls in the caller's transaction; `outbox`, messages that commit with a transaction |
//! | `nats` | | NATS JetStream as the outbox's broker |
//! | `sqlite` | | `SqliteStore`, in a file on this machine; calls in the caller's transaction |
//! | `metrics` | | the metrics above, through the `metrics` facade |
//! | `uuid` | | `uuid::Uuid` as a key, and conversion of a [`DerivedKey`](model::DerivedKey) into a `Uuid` |
//! | `reqwest` | | `client`: a middleware that retries a request safely, with one key for all attempts |
//! | `http` | | `http`: the `Idempotency-Key` header, a tower layer |
//! | `axum` | | extractor and responses for axum |
//! | `tonic` | | `grpc`: keys from metadata, refusals as statuses, prost messages as results |
//! | `consumer` | | `consumer`: consumers of message brokers, which run their handler once per message |
//! | `consumer-jetstream` | | NATS JetStream as a consumer's source |
//! | `consumer-redis` | | Redis Streams as a consumer's source |
//! | `testing` | | `testing`: engines for tests, crashes, injected faults, a clock, the contract suite |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
pub mod backends;
pub mod call;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod client;
mod codec;
#[cfg(feature = "consumer")]
#[cfg_attr(docsrs, doc(cfg(feature = "consumer")))]
pub mod consumer;
mod default_engine;
pub mod engine;
mod error;
#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
pub mod grpc;
#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod model;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod outbox;
pub mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use idempotent_macros::idempotent;

#[doc(hidden)]
pub use self::__private::output as __output;
pub use self::call::{Call, Reservation, step};
pub use self::default_engine::install;
pub use self::engine::{Idempotency, IdempotencyBuilder, current};
pub use self::error::{Error, ErrorKind};
pub use self::model::{Disposition, Guarantee, Key, Operation};
pub use self::store::Store;
/// Goes on an `impl` of this crate's async traits, such as [`Store`] and `outbox::Publish`: `#[async_trait]` of the
/// crate of that name, so that yours need not depend on it.
///
/// ```
/// # #[cfg(feature = "postgres")]
/// # mod shop {
/// use idempotent_core::outbox::{Message, Publish, PublishError};
///
/// struct Nowhere;
///
/// #[idempotent_core::async_trait]
/// impl Publish for Nowhere {
///     async fn publish(&self, _: &Message) -> Result<(), PublishError> {
///         Ok(())
///     }
/// }
/// # }
/// ```
pub use async_trait::async_trait;

#[cfg(all(doctest, feature = "macros", feature = "moka", feature = "axum"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
