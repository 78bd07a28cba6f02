//! Messages that are published if, and only if, a transaction commits.
//!
//! A service that writes to its database and then publishes to a broker loses the message if it dies in
//! between. If it publishes first, and the transaction rolls back, it has published a message too many.
//! [`publish`] instead puts the message into a table in the same transaction, and a [`Relay`] publishes it to
//! the broker from there.
//!
//! ```no_run
//! use idempotent_core::outbox::{self, Message, Outbox, Publish, Relay};
//! use idempotent_core::{Error, idempotent};
//!
//! // The service.
//! # async fn pay(pool: &sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tx = pool.begin().await?;
//! sqlx::query("UPDATE orders SET paid = true WHERE id = 7").execute(&mut *tx).await?;
//! outbox::publish(&mut tx, "orders.paid", "order-7", r#"{"order":7}"#).await?;
//! tx.commit().await?;
//! # Ok(()) }
//!
//! // Beside it, in as many processes as you like.
//! # async fn relay(pool: sqlx::PgPool, broker: impl Publish) {
//! Relay::new(Outbox::new(pool), broker).run(std::future::pending()).await;
//! # }
//!
//! // The consumer.
//! #[idempotent(key = message.id, name = "billing::on_paid", guarantee = at_least_once)]
//! async fn on_paid(message: Message) -> Result<(), Error> {
//!     Ok(())
//! }
//! ```
//!
//! # Guarantees
//!
//! * **Every committed message is delivered, at least once; none of a rolled-back transaction ever is.**
//! * **In order per key.** The messages of a key are delivered in the order in which their transactions
//!   commit, whatever their topics: the next one is published once the broker has stored the previous one. A
//!   message that is delivered again may come after later ones, as with every broker, and so may one that was
//!   [parked](Outbox::parked) and retried.
//! * **The id stays the same.** Every delivery of a message has the same [`MessageId`]. What
//!   makes a message take effect once is a consumer with `#[idempotent(key = message.id)]`. Brokers that drop
//!   duplicates by it do so for a while and not in every case (`nats::JetStream` says when not). In an
//!   idempotent call the id is derived from the call and the message, so a call that runs again after a crash
//!   publishes the same message.
//! * **Any number of relays**, without a leader. A relay locks the keys of a batch in its transaction. If it
//!   dies, they are free at once. If it freezes or is cut off, the database ends its transaction some seconds
//!   later, and it begins nothing more when it comes back.
//! * **One bad message does not stop the rest.** A message that the broker refuses is tried again with growing
//!   pauses, while other keys are delivered. After enough refusals it is [parked](Relay::park_after), and its
//!   own key is delivered, too. So is one whose topic
//!   [leads nowhere](PublishErrorKind::Destination). While the broker is down, nothing is parked.
//!
//! # What it costs
//!
//! Publishing locks the message's key until the transaction ends. Two transactions with the same key run one
//! after the other from there on, so publish last. Two transactions that publish with the same two keys in
//! opposite order deadlock, and the database aborts one of them: publish in the order of the keys.
//!
//! Delivered messages are deleted, so the table contains only the backlog. A batch takes up to
//! [`batch`](Relay::batch) messages, publishes those of different keys at once, and uses one connection of the
//! pool. No row is locked or written while a relay waits for the broker. On a test machine with two cores a
//! relay delivers about 10,000 messages a second with many keys to a broker that answers at once, and 7,000 to
//! a `JetStream` on the same machine; with one key 2,500, one round trip after the other.
//!
//! # Logs and metrics
//!
//! A parked message is logged at `ERROR`. Refusals are logged at `WARN`, and so are a broker or a database that
//! does not answer, and a topic without a destination, once until it has one. That the broker is still down is
//! logged ever less often. With feature `metrics`:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `idempotent_outbox_publish_seconds` | histogram, of attempts | `outcome`: `delivered`, `refused`, `destination`, `poison`, `unavailable` |
//! | `idempotent_outbox_age_seconds` | histogram, from publishing to delivery | |
//! | `idempotent_outbox_parked_total` | counter | |
//! | `idempotent_outbox_failed_batches_total` | counter, of batches that failed in the database | |
//!
//! [`Outbox::backlog`] counts pending and parked messages.

mod broker;
mod draft;
mod error;
mod handle;
mod id;
mod message;
mod message_check;
mod message_row;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub mod nats;
mod publish;
mod relay;
mod statements;
mod telemetry;

pub use self::broker::{Publish, PublishError, PublishErrorKind};
pub use self::draft::Draft;
pub use self::error::{OutboxError, OutboxErrorKind};
pub use self::handle::{Backlog, Outbox, Parked};
pub use self::id::{MalformedId, MessageId};
pub use self::message::Message;
pub use self::publish::publish;
pub use self::relay::{Pass, Relay};
