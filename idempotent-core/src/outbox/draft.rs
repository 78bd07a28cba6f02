//! A message before it is published: what is valid, and which id it gets.

use sqlx::SqlSafeStr;
use sqlx::postgres::PgConnection;

use super::message_check::MessageCheck;
use super::{MessageId, OutboxError, statements};
use crate::engine::current;

/// A message that is about to be published: like [`publish`](super::publish), with headers or with an id of your
/// own.
///
/// ```no_run
/// use idempotent_core::outbox::Draft;
///
/// # async fn pay(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = pool.begin().await?;
/// sqlx::query("UPDATE orders SET paid = true WHERE id = 7").execute(&mut *tx).await?;
/// Draft::new("orders.paid", "order-7", br#"{"order":7}"#)
///     .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
///     .publish(&mut tx)
///     .await?;
/// tx.commit().await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draft is published by `publish`"]
pub struct Draft<'a> {
    topic: &'a str,
    key: &'a str,
    payload: Payload<'a>,
    names: Vec<&'a str>,
    values: Vec<&'a str>,
    id: Option<MessageId>,
}

/// Bytes that `Debug` does not show.
#[derive(Clone)]
struct Payload<'a>(&'a [u8]);

impl std::fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<'a> Draft<'a> {
    /// A message without headers.
    ///
    /// Messages of one key are delivered in the order in which their transactions commit, whatever their topics.
    /// So give keys of different kinds different prefixes: `order-7`, `customer-7`. A key has 1 to 512 bytes.
    /// Neither key nor topic may contain control characters, or begin or end with white space.
    pub fn new(topic: &'a str, key: &'a str, payload: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let payload = Payload(payload.as_ref());
        Self { topic, key, payload, names: Vec::new(), values: Vec::new(), id: None }
    }

    /// Adds a header. Its name must be visible ASCII without a colon, and must not begin with `Nats-` or
    /// `Outbox-`, which are reserved for the broker and the relay. Its value must not contain control
    /// characters, or begin or end with white space.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.names.push(name);
        self.values.push(value);
        self
    }

    /// The message's id. Default: in an idempotent call, derived from the call and the message, so that a call
    /// that runs again after a crash publishes the same message; elsewhere random.
    ///
    /// In two cases a call that runs again would publish a different message, so
    /// [derive](crate::engine::CurrentCall::derive) the id yourself: if the payload differs each time, because
    /// it contains the time for instance; and if the body publishes again after its own transaction failed,
    /// because the second message would count as another one of the call.
    ///
    /// ```no_run
    /// use idempotent_core::outbox::Draft;
    ///
    /// # async fn pay(tx: &mut sqlx::PgConnection, now: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let draft = Draft::new("orders.paid", "order-7", now);
    /// let draft = match idempotent_core::current() {
    ///     Some(call) => draft.id(call.derive("paid")),
    ///     None => draft,
    /// };
    /// draft.publish(tx).await?;
    /// # Ok(()) }
    /// ```
    pub fn id(mut self, id: impl Into<MessageId>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Publishes it as part of the transaction. See [`publish`](super::publish).
    ///
    /// # Errors
    ///
    /// [`Invalid`](super::OutboxErrorKind::Invalid) if the message is invalid, before anything is sent to the
    /// database; [`Database`](super::OutboxErrorKind::Database) if the database returns an error.
    pub async fn publish(self, tx: &mut PgConnection) -> Result<MessageId, OutboxError> {
        self.publish_by(statements::PUBLISH, tx).await
    }

    pub(super) async fn publish_by(
        self,
        statement: impl SqlSafeStr,
        tx: &mut PgConnection,
    ) -> Result<MessageId, OutboxError> {
        self.check()?;
        let id = self.id.unwrap_or_else(|| self.default_id());
        sqlx::query(statement)
            .bind(id.to_string())
            .bind(self.topic)
            .bind(self.key)
            .bind(self.payload.0)
            .bind(self.names)
            .bind(self.values)
            .execute(tx)
            .await?;
        Ok(id)
    }

    fn check(&self) -> Result<(), OutboxError> {
        let headers = self.names.iter().copied().zip(self.values.iter().copied());
        MessageCheck { topic: self.topic, key: self.key }.check(headers)
    }

    /// The label contains the message, so that a call that publishes its messages in another order when it runs
    /// again does not give one of them the id of another.
    fn default_id(&self) -> MessageId {
        let Some(call) = current() else { return MessageId::random() };
        let mut hasher = blake3::Hasher::new();
        for part in [self.topic.as_bytes(), self.key.as_bytes(), self.payload.0] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        call.derive_next(&format!("outbox:{}", hasher.finalize().to_hex())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_checked_with_all_of_its_headers() {
        let draft = Draft::new("t", "k", &[0, 10, 255]).header("a-b", "ü ü");
        assert!(draft.check().is_ok());
        assert!(draft.clone().header("a", "v ").check().is_err());
        assert!(draft.header("Nats-TTL", "5m").check().is_err());
        assert!(Draft::new("", "k", "").check().is_err());
    }

    #[test]
    fn a_payload_is_not_shown() {
        assert!(!format!("{:?}", Draft::new("t", "k", "secret")).contains("secret"));
    }
}
