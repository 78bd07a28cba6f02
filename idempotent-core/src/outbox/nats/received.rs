//! Reading a message of the outbox back from one of NATS.

use std::time::{Duration, SystemTime};

use super::headers::{ID, KEY, PUBLISHED_AT};
use crate::outbox::Message;

/// The outbox's message in a message of NATS; `None` if it was not published by a relay, and so has no id or
/// no key.
///
/// The stream may contain a message twice, so let the consumer's key be the message's id:
///
/// ```no_run
/// use idempotent_core::outbox::{Message, nats};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = message.id, name = "billing::on_paid", guarantee = at_least_once)]
/// async fn on_paid(message: Message) -> Result<(), Error> {
///     // Act on it.
///     Ok(())
/// }
///
/// # async fn consume(delivery: async_nats::jetstream::Message) -> Result<(), async_nats::Error> {
/// if let Some(message) = nats::received(&delivery) {
///     on_paid(message).await?;
/// }
/// delivery.ack().await?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn received(message: &async_nats::Message) -> Option<Message> {
    let headers = message.headers.as_ref()?;
    let text = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    let id = text(ID)?.parse().ok()?;
    let topic = message.subject.to_string();
    let mut received = Message::new(id, topic, text(KEY)?, message.payload.to_vec());
    if let Some(micros) = text(PUBLISHED_AT).and_then(|micros| micros.parse().ok()) {
        let age = Duration::from_micros(micros);
        received.published_at = SystemTime::UNIX_EPOCH.checked_add(age)?;
    }
    let ours = [KEY, PUBLISHED_AT, ID];
    for (name, values) in headers.iter() {
        let name = AsRef::<str>::as_ref(name);
        if !ours.contains(&name) {
            let values = values.iter().map(|value| (name.to_owned(), value.as_str().to_owned()));
            received.headers.extend(values);
        }
    }
    received.headers.sort_by(|left, right| left.0.cmp(&right.0));
    Some(received)
}
