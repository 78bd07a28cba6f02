//! Make an async operation safe to repeat: reserve its key, run it once, replay its result.
//!
//! ```
//! use idempotent_core::{Error, idempotent};
//!
//! #[idempotent(key = "order:{order}", name = "shop::charge", wait = "5s")]
//! async fn charge(order: u64, cents: u64) -> Result<String, Error> {
//!     Ok(format!("charged {cents} for order {order}"))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
//! let first = charge(7, 1990).await?;
//! let again = charge(7, 1990).await?;
//! assert_eq!(first, again);
//! # Ok(()) }
//! ```
//!
//! # The parts
//!
//! * [`idempotent`] is the attribute; its page lists every option.
//! * [`Operation`] is the same without the attribute: a policy, of which a key makes a call.
//! * [`Idempotency`] is the engine: a [`Store`], defaults, limits. [`install`] makes one the
//!   process's, [`with`] a task's; `store = …` names one.
//! * [`Disposition`] says what becomes of a key when its body ends, [`Guarantee`] what it means that
//!   its owner was lost.
//! * [`current`] is the call that runs here: its token, and keys derived from it for other systems.
//! * [`Error`] is why a call was refused, with the HTTP status that says so.
//! * [`store`] is for those who write a store, `testing` for those who test one, or their own
//!   handlers.
//!
//! # Choosing
//!
//! **Name** every operation that goes to production, and let
//! [`strict_names`](Builder::strict_names) insist on it: a default name changes when its function
//! moves, and its records are then not found.
//!
//! **Key** by what makes two requests the same one, not by what they contain; give the contents as
//! `fingerprint`. Put the tenant into `scope`.
//!
//! **Guarantee**: `at_least_once` where a second effect after a crash is bearable, or the other side
//! deduplicates; `at_most_once` with `detach` where it is not, and somebody will
//! [resolve](Idempotency::resolve) what was lost.
//!
//! **Errors** release their key by default, which is right for those that come before any effect. A
//! timeout of the other side is not one of these: [`Hold`](Disposition::Hold) it.
//!
//! # Results
//!
//! Results are MessagePack with named fields, in serde's human-readable form. That carries flattened,
//! untagged and tagged enums, maps with keys of any type, `NaN` and infinities, bytes, `IpAddr`, and
//! the types of `chrono` and `uuid`. It does not carry `u128` and `i128` inside internally tagged or
//! untagged enums and flattened fields, which is an error, nor `Some(())` and `Some(None)`, which
//! come back as `None`.
//!
//! A result that cannot be encoded, or is over the engine's limit, reaches its caller and leaves a
//! *tombstone*: retries are refused with [`ErrorKind::ResultNotKept`], and run nothing.
//!
//! # Seen from outside
//!
//! Every call has a `tracing` span `idempotent` with the fields `operation`, `outcome` (`executed`,
//! `replayed`, or the code of a refusal), `attempt` and `waited_ms`. With feature `metrics`:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `idempotent_calls_total` | counter | `operation`, `outcome` |
//! | `idempotent_store_seconds` | histogram | `transition`, `result` |
//! | `idempotent_wait_seconds` | histogram | |
//! | `idempotent_in_flight` | gauge | |
//! | `idempotent_lost_results_total` | counter | `operation` |
//! | `idempotent_lost_leases_total` | counter | `operation` |
//! | `idempotent_superseded_total` | counter | `operation` |
//! | `idempotent_dropped_total` | counter | `operation` |
//! | `idempotent_tombstones_total` | counter | `operation` |
//! | `idempotent_near_hits_total` | counter | |
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `macros` | yes | the attribute |
//! | `moka` | yes | [`store::MemoryStore`], and the default engine on it; [`store::NearCache`] |
//! | `redis` | | `RedisStore`, on one Redis or Valkey server |
//! | `redis-sentinel` | | `RedisStore` on a group that Sentinel watches |
//! | `redis-cluster` | | `RedisStore` on a Redis Cluster |
//! | `postgres` | | `PostgresStore`, in a table of PostgreSQL; calls within the caller's transaction; `outbox`, messages that commit with a transaction |
//! | `nats` | | `outbox::nats`: NATS JetStream as the outbox's broker |
//! | `sqlite` | | `SqliteStore`: records in a file of this machine, which survive a restart; calls within the caller's transaction |
//! | `metrics` | | the metrics above, through the `metrics` facade |
//! | `uuid` | | `uuid::Uuid` as a key, and a [`DerivedKey`] as one |
//! | `reqwest` | | `client`: the middleware that sends one key and retries correctly |
//! | `http` | | `http`: the `Idempotency-Key` header, a tower layer |
//! | `axum` | | extractor and responses for axum |
//! | `tonic` | | `grpc`: keys from metadata, refusals as statuses, prost messages as results |
//! | `testing` | | the contract suite for stores, a controllable clock, faults, helpers |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod __private;
#[cfg(any(feature = "postgres", feature = "reqwest"))]
mod backoff;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod client;
mod codec;
mod disposition;
mod engine;
mod error;
#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
pub mod grpc;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod key;
mod operation;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod outbox;
pub mod record;
pub mod store;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod uuid_text;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use idempotent_macros::idempotent;

pub use self::disposition::Disposition;
pub use self::engine::{
    AlreadyInUse, Builder, Current, Idempotency, Inspection, InspectionPage, Resolution, current,
    install, with,
};
pub use self::error::{Error, ErrorKind};
pub use self::key::Key;
pub use self::operation::{
    Call, CallBuilder, CallWithin, Encoded, Ended, FromError, Operation, Reservation, Returned,
    Run, Started, Stored, Undecodable,
};
pub use self::record::{DerivedKey, Guarantee, RecordId};
pub use self::store::Store;

#[cfg(all(doctest, feature = "macros", feature = "moka"))]
#[doc = include_str!("../../README.md")]
struct ReadmeDoctests;
