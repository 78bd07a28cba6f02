//! The headers that carry a message's id, key and time, next to its own.

use std::time::SystemTime;

use async_nats::{HeaderMap, HeaderName, HeaderValue};

use crate::outbox::{Message, PublishError};

/// The header by which a stream recognizes duplicates.
pub(super) const ID: &str = "Nats-Msg-Id";

/// The header for the message's key.
pub(super) const KEY: &str = "Outbox-Key";

/// The header for the time of publishing, in microseconds since 1970.
pub(super) const PUBLISHED_AT: &str = "Outbox-Published-At";

/// The headers of a [valid](Message::validate) message.
pub(super) fn of(message: &Message) -> Result<HeaderMap, PublishError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let name: HeaderName = name.parse().map_err(PublishError::poison)?;
        let value: HeaderValue = value.parse().map_err(PublishError::poison)?;
        headers.append(name, value);
    }
    let key: HeaderValue = message.key.parse().map_err(PublishError::poison)?;
    headers.insert(KEY, key);
    let age = message.published_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    headers.insert(PUBLISHED_AT, age.as_micros().to_string());
    headers.insert(ID, message.id.to_string());
    Ok(headers)
}
