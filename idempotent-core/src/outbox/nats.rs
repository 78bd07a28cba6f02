//! NATS `JetStream` as the broker, and how to read its messages back.

use std::time::{Duration, SystemTime};

use async_nats::jetstream::context::{
    Context, PublishError as NatsError, PublishErrorKind as NatsErrorKind,
};
use async_nats::jetstream::{self, ErrorCode};
use async_nats::{HeaderMap, Subject};
use async_trait::async_trait;

use super::{Message, Publish, PublishError};

/// The header by which a stream recognizes duplicates.
const ID: &str = "Nats-Msg-Id";

/// The header for the message's key.
const KEY: &str = "Outbox-Key";

/// The header for the time of publishing, in microseconds since 1970.
const PUBLISHED_AT: &str = "Outbox-Published-At";

/// NATS `JetStream` as the broker of a [`Relay`](super::Relay).
///
/// A message's topic is its subject, which must belong to a stream. Its id is the `Nats-Msg-Id`, so the stream
/// drops duplicates within its duplicate window (2 minutes by default). Consumers can drop later ones by the
/// same id. [`received`] reads a message back.
///
/// If a subject has no stream, the broker counts as unavailable, since a server that is starting up answers
/// the same: such messages wait until there is a stream. A message that is too large for the server or the
/// stream, or whose topic is not a valid subject, is parked.
///
/// ```no_run
/// use idempotent_core::outbox::nats::JetStream;
/// use idempotent_core::outbox::{Outbox, Relay};
///
/// # async fn start(pool: sqlx::PgPool) -> Result<(), Box<dyn std::error::Error>> {
/// let client = async_nats::connect("nats://nats.internal").await?;
/// let relay = Relay::new(Outbox::new(pool), JetStream::new(async_nats::jetstream::new(client)));
/// tokio::spawn(relay.run(std::future::pending()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct JetStream(Context);

impl JetStream {
    /// A broker that publishes in this context.
    #[must_use]
    pub const fn new(context: Context) -> Self {
        Self(context)
    }
}

#[async_trait]
impl Publish for JetStream {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        let subject = subject(&message.topic)?;
        let headers = headers(message)?;
        let payload = message.payload.clone().into();
        let publishing = self.0.publish_with_headers(subject, headers, payload);
        let acknowledged = publishing.await.map_err(failure)?;
        acknowledged.await.map_err(failure)?;
        Ok(())
    }
}

/// Checked here, because a server accepts a message with an invalid subject, and no stream gets it.
fn subject(topic: &str) -> Result<Subject, PublishError> {
    if topic.split('.').any(|token| matches!(token, "*" | ">")) {
        return Err(PublishError::poison("a topic must not contain the wildcards `*` and `>`"));
    }
    Subject::validated(topic).map_err(PublishError::poison)
}

/// The relay's headers come last, so that none of the message's can replace its id.
fn headers(message: &Message) -> Result<HeaderMap, PublishError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &message.headers {
        let name: async_nats::HeaderName = name.parse().map_err(PublishError::poison)?;
        let value: async_nats::HeaderValue = value.parse().map_err(PublishError::poison)?;
        headers.append(name, value);
    }
    let key: async_nats::HeaderValue = message.key.parse().map_err(PublishError::poison)?;
    headers.insert(KEY, key);
    let age = message.published_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    headers.insert(PUBLISHED_AT, age.as_micros().to_string());
    headers.insert(ID, message.id.to_string());
    Ok(headers)
}

fn failure(error: NatsError) -> PublishError {
    use std::error::Error as _;

    let refusal = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    match (error.kind(), refusal.map(jetstream::Error::error_code)) {
        (NatsErrorKind::MaxPayloadExceeded, _)
        | (
            _,
            Some(
                ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM
                | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM,
            ),
        ) => PublishError::poison(error),
        (NatsErrorKind::WrongLastMessageId | NatsErrorKind::WrongLastSequence, _) => {
            PublishError::refused(error)
        }
        _ => PublishError::unavailable(error),
    }
}

/// The outbox's message in a message of NATS; `None` if it was not published by a relay, and so has no id or
/// no key.
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
