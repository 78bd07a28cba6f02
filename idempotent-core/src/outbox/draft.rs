//! A message before it is published: what it must be, and which id it gets.

use sqlx::SqlSafeStr;
use sqlx::postgres::PgConnection;

use super::{MessageId, OutboxError, sql};
use crate::engine::current;

const MAX_KEY_BYTES: usize = 512;

/// A message that is about to be published: [`publish`](super::publish) with headers, or with an id of
/// your own.
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
    /// Messages of one key are delivered in the order of their transactions' commits, whatever their
    /// topics, so keys of different kinds want a prefix: `order-7`, `customer-7`. A key has 1 to 512
    /// bytes; neither it nor the topic has control characters, or white space at an end.
    pub fn new(topic: &'a str, key: &'a str, payload: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        let payload = Payload(payload.as_ref());
        Self { topic, key, payload, names: Vec::new(), values: Vec::new(), id: None }
    }

    /// Adds a header: visible ASCII without a colon for a name, anything without control characters and
    /// without white space at an end for a value. Default: none.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.names.push(name);
        self.values.push(value);
        self
    }

    /// The message's id. Default: within an idempotent call one that is derived from the call and from
    /// what is published, so that a call which runs again after a crash publishes the same message;
    /// elsewhere a random one.
    ///
    /// Two things make a call that runs again publish another message, and want an id that is
    /// [derived](crate::Current::derive) by hand: a payload that is another one each time, since it tells
    /// the time for instance; and a body that publishes anew when its own transaction failed, whose second
    /// message would count as the call's second one.
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

    /// Publishes it as a part of the transaction. See [`publish`](super::publish).
    ///
    /// # Errors
    ///
    /// [`Invalid`](super::OutboxErrorKind::Invalid) for a message that cannot be published as it is,
    /// before the database is asked; [`Database`](super::OutboxErrorKind::Database) if it refuses.
    pub async fn publish(self, tx: &mut PgConnection) -> Result<MessageId, OutboxError> {
        self.publish_by(sql::PUBLISH, tx).await
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
        if self.topic.is_empty() || self.key.is_empty() {
            return Err(OutboxError::invalid("a message has a topic and a key"));
        }
        if self.key.len() > MAX_KEY_BYTES {
            return Err(OutboxError::invalid("the key of a message has at most 512 bytes"));
        }
        let texts = [self.topic, self.key].into_iter().chain(self.values.iter().copied());
        if texts.clone().any(|text| text.contains(char::is_control)) {
            return Err(OutboxError::invalid(
                "topic, key and headers of a message have no control characters",
            ));
        }
        // Brokers cut it off, and two keys would become one.
        if texts.into_iter().any(|text| text.trim() != text) {
            return Err(OutboxError::invalid(
                "topic, key and headers of a message have no white space at an end",
            ));
        }
        let visible = |name: &&str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
        };
        if !self.names.iter().all(visible) {
            return Err(OutboxError::invalid(
                "the name of a header is visible ASCII without a colon",
            ));
        }
        Ok(())
    }

    /// What is published is a part of the label, so that a call whose messages come in another order
    /// when it runs again does not give one of them the other's id.
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

    fn refusal(draft: &Draft<'_>) -> String {
        draft.check().map_or_else(|error| error.to_string(), |()| "none".to_owned())
    }

    #[test]
    fn what_no_broker_could_carry_is_refused_before_the_database_is_asked() {
        let long = "k".repeat(513);
        for draft in [
            Draft::new("", "k", ""),
            Draft::new("t", "", ""),
            Draft::new("t", &long, ""),
            Draft::new("t", "a\nb", ""),
            Draft::new("t\0", "k", ""),
            Draft::new("t ", "k", ""),
            Draft::new("t", " k", ""),
            Draft::new("t", "k", "").header("a", "v "),
            Draft::new("t", "k", "").header("", "v"),
            Draft::new("t", "k", "").header("a:b", "v"),
            Draft::new("t", "k", "").header("a b", "v"),
            Draft::new("t", "k", "").header("a", "v\r\nb: c"),
        ] {
            assert_ne!(refusal(&draft), "none", "{draft:?}");
        }
    }

    #[test]
    fn the_longest_key_and_any_payload_are_taken() {
        let key = "k".repeat(512);
        let draft = Draft::new("t", &key, &[0, 10, 255]).header("a-b", "ü ü");
        assert_eq!(refusal(&draft), "none");
    }

    #[test]
    fn a_payload_is_not_shown() {
        assert!(!format!("{:?}", Draft::new("t", "k", "secret")).contains("secret"));
    }
}
