//! [`JetStreamSource`]: deliveries of a durable pull consumer.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::{self, Context};
use async_trait::async_trait;

use super::dead_letter::DeadLetters;
use super::limits::{self, DelayedNaks};
use super::pull::Pull;
use super::received::{self, StreamName};
use super::start::{Deadlines, Started, start};
use super::verdict::{JetStreamDelivery, Shared};
use crate::consumer::{Delivery, Needs, Source, SourceError, Terms, Verdict};

/// Deliveries of a durable pull consumer of NATS `JetStream`, which must exist, with `ack_policy: Explicit`.
///
/// ```no_run
/// use std::time::Duration;
///
/// use async_nats::jetstream::{self, consumer::pull, stream};
/// use idempotent_core::consumer::jetstream::JetStreamSource;
///
/// # async fn source() -> Result<JetStreamSource, async_nats::Error> {
/// let context = jetstream::new(async_nats::connect("nats://nats.internal").await?);
/// let stream = |name: &str, subject: &str| stream::Config {
///     name: name.to_owned(),
///     subjects: vec![subject.to_owned()],
///     ..stream::Config::default()
/// };
/// let orders = context.get_or_create_stream(stream("ORDERS", "orders.>")).await?;
/// context.get_or_create_stream(stream("DEAD", "dead.>")).await?;
/// let billing = pull::Config {
///     durable_name: Some("billing".to_owned()),
///     ack_wait: Duration::from_secs(60),
///     max_deliver: -1, // the consumer counts attempts itself
///     ..pull::Config::default()
/// };
/// orders.get_or_create_consumer("billing", billing).await?;
/// let source = JetStreamSource::new(context, "ORDERS", "billing").dead_letters("dead.orders");
/// # Ok(source) }
/// ```
///
/// # The id of a message
///
/// Its header `Nats-Msg-Id`, unless it is a dead letter that is replayed and has the header
/// [`Idempotent-Message-Id`](super::MESSAGE_ID); without one the name of the stream, the time of its creation and the
/// sequence. The latter is the same in every delivery of a message, but not in what its producer sends a second time: give messages an
/// id. Of two, the first counts, as it does for the server.
///
/// # What is checked at the start
///
/// The consumer must exist, pull, acknowledge explicitly and deliver payloads. `max_deliver` must be `-1`, or at
/// least a million where the server wants a number, since it also counts deliveries in which no handler ran, and
/// drops a message silently in the end. The [dead-letter subject](Self::dead_letters) must have a stream of its own. The user needs the permissions
/// to publish to `$JS.API.STREAM.NAMES`, `$JS.API.STREAM.INFO.*`, `$JS.API.STREAM.MSG.GET.*`, `$JS.API.CONSUMER.INFO.*.*`, `$JS.API.CONSUMER.MSG.NEXT.*.*`, `$JS.ACK.>` and the
/// dead-letter subject.
///
/// # Delays
///
/// A message that is to be delivered again later counts for `max_ack_pending` meanwhile, and once that is reached, the
/// server delivers nothing else. So a source delays at most half of it for as long as the backoff says; what fails beyond
/// that comes again after a second at the latest, and so is parked sooner. Each source counts what it has delayed itself,
/// and knows of no other: the sources of two workers or more may together delay as many as `max_ack_pending` allows. Let it
/// be larger than the number of messages that fail at once, over all workers. Without a limit of attempts, as many failing
/// messages as it allows stop the consumer.
pub struct JetStreamSource {
    context: Context,
    stream: String,
    consumer: String,
    dead_letters: String,
    started: Option<Running>,
}

struct Running {
    consumer: PullConsumer,
    stream: StreamName,
    deadlines: Deadlines,
    shared: Arc<Shared>,
    pull: Pull,
}

impl JetStreamSource {
    /// Reads the consumer with this name on the stream with this name.
    #[must_use]
    pub fn new(context: Context, stream: impl Into<String>, consumer: impl Into<String>) -> Self {
        let (stream, consumer) = (stream.into(), consumer.into());
        Self { context, stream, consumer, dead_letters: String::new(), started: None }
    }

    /// Sets the subject that messages are parked on. It is required, and must have a stream other than the
    /// messages' own, which would drop a parked message as a duplicate of itself.
    ///
    /// A dead letter has the payload and the headers of its message, its id as `Nats-Msg-Id`, and headers that say
    /// [why](super::REASON) it was parked, [what went wrong](super::ERROR), and [where](super::SUBJECT) it came from.
    /// Where its stream has that id already, of another consumer's copy or one that was taken away, it has a
    /// `Nats-Msg-Id` of its own, and its message's id as [`Idempotent-Message-Id`](super::MESSAGE_ID). A message that
    /// is about as large as the server allows has fewer of these headers, and none if it had no id.
    ///
    /// To replay it, publish it to that subject with the same ids, once the duplicate window of the messages'
    /// stream has passed.
    #[must_use]
    pub fn dead_letters(mut self, subject: impl Into<String>) -> Self {
        self.dead_letters = subject.into();
        self
    }
}

impl Running {
    fn delivery(&self, message: jetstream::Message) -> Option<Delivery> {
        let read = received::read(&self.stream, &message)?;
        let reply = message.reply.clone()?;
        let deadline = self.deadlines.of(read.delivery_count().unwrap_or(1));
        let settle = JetStreamDelivery {
            shared: Arc::clone(&self.shared),
            message: message.message,
            read: read.clone(),
            reply,
            is_settled: AtomicBool::new(false),
        };
        Some(Delivery::new(read, settle).with_deadline(deadline))
    }

    /// Why no messages come: the consumer may be gone.
    async fn explain(&self, error: SourceError) -> SourceError {
        let gone = match self.consumer.get_info().await {
            Ok(_) => false,
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound | ConsumerInfoErrorKind::StreamNotFound => true,
                ConsumerInfoErrorKind::JetStream(why) => why.code() == 404,
                _ => false,
            },
        };
        if gone {
            return SourceError::gone("the consumer or its stream was deleted while it was read");
        }
        error
    }
}

#[async_trait]
impl Source for JetStreamSource {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        let names = (self.stream.as_str(), self.consumer.as_str());
        let started = start(&self.context, names, &self.dead_letters).await?;
        let Started { consumer, stream, terms, deadlines } = started;
        deadlines.check(needs.ttl)?;
        let max_ack_pending = consumer.cached_info().config.max_ack_pending;
        limits::warn_if_low(needs, max_ack_pending);
        let shared = Shared {
            context: self.context.clone(),
            client: self.context.client(),
            dead_letters: DeadLetters {
                subject: self.dead_letters.clone().into(),
                consumer: needs.consumer.clone(),
            },
            delayed: DelayedNaks::new(max_ack_pending),
        };
        let (shared, pull) = (Arc::new(shared), Pull::default());
        self.started = Some(Running { consumer, stream, deadlines, shared, pull });
        Ok(terms)
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        let Some(running) = &mut self.started else {
            return Err(SourceError::misconfigured("the source was not started"));
        };
        loop {
            match running.pull.next(&running.consumer, room.get()).await {
                Ok(Some(message)) => {
                    if let Some(delivery) = running.delivery(message) {
                        return Ok(delivery);
                    }
                }
                Ok(None) => {}
                Err(error) => return Err(running.explain(error).await),
            }
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        let Some(running) = &mut self.started else { return Ok(()) };
        for message in running.pull.stop().await {
            if let Some(delivery) = running.delivery(message) {
                delivery.settle(&Verdict::GivenBack).await.map_err(SourceError::unavailable)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for JetStreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamSource")
            .field("stream", &self.stream)
            .field("consumer", &self.consumer)
            .field("dead_letters", &self.dead_letters)
            .finish_non_exhaustive()
    }
}
