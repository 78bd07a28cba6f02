//! Messages that are published if, and only if, a transaction commits.
//!
//! A service that writes to its database and then publishes to a broker loses the message when it dies in
//! between, and publishes one too many when the transaction rolls back. [`publish`] puts the message into a
//! table instead, within the transaction; a [`Relay`] takes it from there to the broker.
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
//! // Who consumes.
//! #[idempotent(key = message.id, name = "billing::on_paid", guarantee = at_least_once)]
//! async fn on_paid(message: Message) -> Result<(), Error> {
//!     Ok(())
//! }
//! ```
//!
//! # What is promised
//!
//! * **Every committed message is delivered, at least once; none of a rolled-back transaction ever is.**
//! * **In order per key.** A key's messages are delivered in the order in which their transactions
//!   committed, whatever their topics: the next one is published when the broker has the one before. A
//!   message that is delivered again may come after later ones, as with every broker; one that was
//!   [parked](Outbox::parked) and retried comes late.
//! * **The id stays.** A message has the same [`MessageId`] however often it is delivered, so that a broker
//!   drops duplicates, and a consumer under `#[idempotent(key = message.id)]` acts once a message.
//!   A message that is published within an idempotent call has an id that derives from the call and from
//!   what is published: a call that runs again after a crash publishes the same message.
//! * **Any number of relays**, without a leader. A relay holds the keys of a turn by locks of its
//!   transaction. One that dies frees them at once; one that freezes or is cut off is cut off by the
//!   database too, some seconds later, and begins nothing more when it comes back.
//! * **One bad message does not stop the rest.** What the broker refuses is tried again with growing pauses
//!   while the other keys go on, and [put aside](Relay::park_after) after so many refusals; then its own key
//!   goes on too. A broker that is merely down parks nothing.
//!
//! # What it costs
//!
//! Publishing holds the message's key until the transaction ends: two transactions that publish under one
//! key run one after the other from there on, so publish last. Two transactions that publish under the
//! same two keys in opposite order deadlock, which the database notices and refuses one: publish in the
//! order of the keys.
//!
//! Delivered messages are deleted: the table is as long as the backlog. A turn takes up to
//! [`batch`](Relay::batch) messages, those of different keys at once, and holds one connection of the pool.
//! No row is locked or written while the broker is waited for. On a test machine of two cores a relay
//! delivers some 10,000 messages of many keys a second to a broker that answers at once, and 7,000 to a
//! `JetStream` beside it; of one key 2,500, one round trip after the other.
//!
//! # Seen from outside
//!
//! A parked message is a line at `ERROR`; refusals, and a broker or database that does not answer, are at
//! `WARN`. With feature `metrics`:
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `idempotent_outbox_publish_seconds` | histogram, of attempts | `outcome`: `delivered`, `refused`, `poison`, `unavailable` |
//! | `idempotent_outbox_age_seconds` | histogram, from being published to being delivered | |
//! | `idempotent_outbox_parked_total` | counter | |
//! | `idempotent_outbox_failed_turns_total` | counter, of what the database did not answer | |
//!
//! [`Outbox::backlog`] counts what waits.

mod draft;
mod error;
mod handle;
mod id;
mod message;
#[cfg(feature = "nats")]
#[cfg_attr(docsrs, doc(cfg(feature = "nats")))]
pub mod nats;
mod publish;
mod relay;
mod row;
mod sql;
mod telemetry;

pub use self::draft::Draft;
pub use self::error::{OutboxError, OutboxErrorKind};
pub use self::handle::{Backlog, Outbox, Parked};
pub use self::id::{MalformedId, MessageId};
pub use self::message::Message;
pub use self::publish::{Publish, PublishError, PublishErrorKind};
pub use self::relay::{Pass, Relay};

use sqlx::postgres::PgConnection;

/// Publishes a message as a part of the transaction: it is delivered if, and only if, that commits.
///
/// Messages of one key are delivered in the order of their transactions' commits: see
/// [`Draft::new`] for what keys and topics are, and [`Draft`] for headers and ids of your own. On a
/// connection without a transaction the message is committed at once, by itself.
///
/// The table is the one beside the records of a
/// [`PostgresStore`](crate::store::PostgresStore) with the default names; for others there is
/// [`Outbox::publish`].
///
/// ```no_run
/// use idempotent_core::outbox;
///
/// # async fn pay(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = pool.begin().await?;
/// let id = outbox::publish(&mut tx, "orders.paid", "order-7", r#"{"order":7}"#).await?;
/// tx.commit().await?;
/// println!("{id} will be delivered");
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// [`Invalid`](OutboxErrorKind::Invalid) for a message that cannot be published as it is, before the
/// database is asked; [`Database`](OutboxErrorKind::Database) if it refuses, a deadlock for instance.
pub async fn publish(
    tx: &mut PgConnection,
    topic: &str,
    key: &str,
    payload: impl AsRef<[u8]> + Send,
) -> Result<MessageId, OutboxError> {
    let payload = payload.as_ref();
    Draft::new(topic, key, payload).publish(tx).await
}
