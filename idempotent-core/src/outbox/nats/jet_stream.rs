//! The broker that publishes to streams.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::Subject;
use async_nats::jetstream::context::{
    Context, PublishAckFuture, PublishError as NatsError, PublishErrorKind as NatsErrorKind,
};
use async_nats::jetstream::publish::PublishAck;
use async_trait::async_trait;
use tokio::time::timeout;

use super::{destination, failure, headers};
use crate::outbox::{Message, Publish, PublishError, PublishErrorKind};

/// After this long without an acknowledgement it asks why.
const SILENCE: Duration = Duration::from_secs(1);

/// Subjects that are commands to the server, and no messages.
const COMMANDS: [&str; 2] = ["$JS.", "$SYS."];

/// NATS `JetStream` as the broker of a [`Relay`](crate::outbox::Relay).
///
/// A message's topic is its subject, which must belong to a stream. [`received`](super::received) reads a
/// message back.
///
/// # TLS
///
/// The client is the application's, and so is whom it trusts. A server that asks for TLS gets it;
/// `ConnectOptions::require_tls(true)` refuses one that does not, and `add_root_certificates` trusts an authority of
/// your own beside the system's.
///
/// # Duplicates
///
/// A message's id is its `Nats-Msg-Id`, by which the stream drops what it is given twice, as a rule: within its
/// duplicate window (2 minutes by default), and while it remembers the id. It does **not** remember it
///
/// * after a restart of the server, for a message that is no longer in the stream: one that was acknowledged on
///   a work queue or an interest stream, deleted, superseded (`max_messages_per_subject`) or expired;
/// * after a change of the leader in a cluster, for the same messages;
/// * in a stream that gets the message from another one, with servers from 2.14 on.
///
/// So a stream may contain a message twice, and a consumer may get it twice. What makes it act once is
/// `key = message.id`.
///
/// # What becomes of a message that is not accepted
///
/// | what the server says | the message |
/// |---|---|
/// | nothing, or that it has no leader, no room, or too much to do | waits: [`Unavailable`] |
/// | the stream is full | waits for room |
/// | no stream takes the subject; the stream is sealed, takes only counters, or does not acknowledge | is tried again, and parked after its attempts: [`Destination`] |
/// | it is too large, its topic is not a valid subject or a command to the server (`$JS.`, `$SYS.`), or the stream refuses its headers | is parked at once: [`Poison`] |
/// | anything else | is tried again, and parked after its attempts: [`Refused`] |
///
/// If nobody takes a message, it asks the server which stream takes its subject, since a server that starts up
/// looks the same as a missing stream. The user needs the permission to publish to `$JS.API.STREAM.NAMES`;
/// without it such messages wait. So do those whose user may not publish to their subject, because the server
/// does not answer then.
///
/// [`Unavailable`]: crate::outbox::PublishErrorKind::Unavailable
/// [`Destination`]: crate::outbox::PublishErrorKind::Destination
/// [`Poison`]: crate::outbox::PublishErrorKind::Poison
/// [`Refused`]: crate::outbox::PublishErrorKind::Refused
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
pub struct JetStream {
    context: Context,
    waits_for_streams: bool,
    /// One message at a time asks why there is no acknowledgement: a server that is slow has enough to do.
    is_asking: Arc<AtomicBool>,
}

impl JetStream {
    /// A broker that publishes in this context.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, waits_for_streams: false, is_asking: Arc::default() }
    }

    /// Lets messages whose subject has no stream wait for one for ever, instead of parking them after their
    /// attempts: for streams of another account or behind a leaf node, which are not there while its
    /// connection is down.
    ///
    /// ```
    /// use idempotent_core::outbox::nats::JetStream;
    ///
    /// # fn broker(context: async_nats::jetstream::Context) -> JetStream {
    /// JetStream::new(context).wait_for_streams()
    /// # }
    /// ```
    #[must_use]
    pub fn wait_for_streams(mut self) -> Self {
        self.waits_for_streams = true;
        self
    }

    /// Waits for the acknowledgement, and asks why if there is none for a while.
    async fn acknowledged(
        &self,
        publishing: PublishAckFuture,
        subject: &str,
    ) -> Result<Result<PublishAck, NatsError>, PublishError> {
        let mut acknowledged = pin!(publishing.into_future());
        if let Ok(answer) = timeout(SILENCE, acknowledged.as_mut()).await {
            return Ok(answer);
        }
        if !self.waits_for_streams && !self.is_asking.swap(true, Ordering::Relaxed) {
            let _asked = Asked(&self.is_asking);
            let fault = destination::fault(&self.context, subject).await;
            // It may have come meanwhile.
            if let Ok(answer) = timeout(Duration::ZERO, acknowledged.as_mut()).await {
                return Ok(answer);
            }
            if let Some(fault) = fault {
                return Err(fault);
            }
        }
        Ok(acknowledged.await)
    }
}

/// The question has an answer, or nobody waits for it any more.
struct Asked<'a>(&'a AtomicBool);

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[async_trait]
impl Publish for JetStream {
    async fn publish(&self, message: &Message) -> Result<(), PublishError> {
        self.publish_unnamed(message).await.map_err(|error| match error.kind() {
            PublishErrorKind::Unavailable => error.at(self.server()),
            _ => error,
        })
    }
}

impl JetStream {
    /// The server that the client is connected to, or was last.
    fn server(&self) -> String {
        let info = self.context.client().server_info();
        let host = if info.host.contains(':') { format!("[{}]", info.host) } else { info.host };
        format!("nats at {host}:{}", info.port)
    }

    async fn publish_unnamed(&self, message: &Message) -> Result<(), PublishError> {
        message.validate().map_err(PublishError::poison)?;
        let subject = subject(&message.topic)?;
        let headers = headers::of(message)?;
        let payload = message.payload.clone().into();
        let publishing = self.context.publish_with_headers(subject.clone(), headers, payload);
        let publishing = publishing.await.map_err(failure::of)?;
        match self.acknowledged(publishing, &subject).await? {
            Ok(_) => Ok(()),
            // A server that starts up answers the same.
            Err(error) if error.kind() == NatsErrorKind::StreamNotFound => {
                let fault = if self.waits_for_streams {
                    None
                } else {
                    destination::fault(&self.context, &subject).await
                };
                Err(fault.unwrap_or_else(|| PublishError::unavailable(error)))
            }
            Err(error) => Err(failure::of(error)),
        }
    }
}

/// Checked here, because a server accepts a message with an invalid subject, and no stream gets it.
fn subject(topic: &str) -> Result<Subject, PublishError> {
    if topic.split('.').any(|token| matches!(token, "*" | ">")) {
        return Err(PublishError::poison("a topic must not contain the wildcards `*` and `>`"));
    }
    if COMMANDS.iter().any(|command| topic.starts_with(command)) {
        return Err(PublishError::poison(
            "a topic must not begin with `$JS.` or `$SYS.`, which are commands to the server",
        ));
    }
    Subject::validated(topic).map_err(PublishError::poison)
}
