//! Publishing a message in a transaction.

use sqlx::postgres::PgConnection;

use super::{Draft, MessageId, OutboxError};

/// Publishes a message as part of the transaction: it is delivered if, and only if, the transaction commits.
///
/// Messages of one key are delivered in the order in which their transactions commit. [`Draft::new`] says what
/// keys and topics are valid; use a [`Draft`] for headers and ids of your own. On a connection without a
/// transaction the message is committed at once, by itself.
///
/// This is for the outbox of a [`PostgresStore`](crate::backends::PostgresStore) with the default names. For
/// other names use [`Outbox::publish`](super::Outbox::publish).
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
/// [`Invalid`](super::OutboxErrorKind::Invalid) if the message is invalid, before anything is sent to the
/// database; [`Database`](super::OutboxErrorKind::Database) if the database returns an error, for a deadlock
/// for instance.
pub async fn publish(
    tx: &mut PgConnection,
    topic: &str,
    key: &str,
    payload: impl AsRef<[u8]> + Send,
) -> Result<MessageId, OutboxError> {
    let payload = payload.as_ref();
    Draft::new(topic, key, payload).publish(tx).await
}
