//! A real broker with a queue of orders, and one of dead letters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Delivery, Needs, Source, SourceErrorKind};
use idempotent_core::testing::sources::SourceSubject;
use idempotent_rabbitmq::lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use idempotent_rabbitmq::lapin::types::{AMQPValue, FieldTable};
use idempotent_rabbitmq::lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use idempotent_rabbitmq::{RabbitMqSource, lapin};
use idempotent_servers::{RabbitMq, Server};
use tokio::sync::OnceCell;

use crate::effects::{millis, secs};

/// The server that tests share which do not break it. A node takes seconds to start.
static SHARED: OnceCell<Arc<RabbitMq>> = OnceCell::const_new();
static QUEUES: AtomicU32 = AtomicU32::new(0);

pub(crate) const CLASSIC: &str = "classic";
pub(crate) const QUORUM: &str = "quorum";
/// Long enough for all cases of the contract at once.
const DEADLINE: Duration = secs(4);

pub(crate) async fn shared() -> Arc<RabbitMq> {
    Arc::clone(SHARED.get_or_init(|| async { Arc::new(start().await) }).await)
}

/// With TLS beside, where certificates can be made.
async fn start() -> RabbitMq {
    match Server::OpenSsl.find() {
        Some(_) => RabbitMq::start_with_tls().await,
        None => RabbitMq::start().await,
    }
}

/// Queues of one test.
pub(crate) struct Brokered {
    pub(crate) server: Arc<RabbitMq>,
    pub(crate) queue: String,
    kind: &'static str,
    connection: Connection,
    channel: Channel,
}

impl Brokered {
    /// On the shared server.
    pub(crate) async fn start(kind: &'static str) -> Self {
        Self::on(shared().await, kind).await
    }

    pub(crate) async fn on(server: Arc<RabbitMq>, kind: &'static str) -> Self {
        let queue = format!("orders{}", QUEUES.fetch_add(1, Ordering::Relaxed));
        let (connection, channel) = connect(&server.url()).await;
        let brokered = Self { server, queue, kind, connection, channel };
        brokered.declare(&brokered.queue, kind).await;
        brokered.declare(&brokered.dead(), CLASSIC).await;
        brokered
    }

    /// The same queues over a new connection, after the broker went away.
    pub(crate) async fn again(server: Arc<RabbitMq>, before: &Self) -> Self {
        let (connection, channel) = connect(&server.url()).await;
        Self { server, queue: before.queue.clone(), kind: before.kind, connection, channel }
    }

    /// The name of the queue of dead letters.
    pub(crate) fn dead(&self) -> String {
        format!("{}.dead", self.queue)
    }

    pub(crate) async fn declare(&self, name: &str, kind: &str) {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text(kind));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        self.channel.queue_declare(name.into(), options, arguments).await.unwrap();
    }

    /// Declares the queue anew, as it was.
    pub(crate) async fn declare_anew(&self) {
        self.declare(&self.queue, self.kind).await;
    }

    pub(crate) async fn delete(&self, name: &str) {
        let options = QueueDeleteOptions::default();
        self.channel.queue_delete(name.into(), options).await.unwrap();
    }

    pub(crate) fn source(&self) -> RabbitMqSource {
        RabbitMqSource::new(self.server.url(), self.queue.as_str())
            .dead_letters(self.dead())
            .deadline(DEADLINE)
    }

    /// A source that has started.
    pub(crate) async fn started(&self) -> RabbitMqSource {
        let mut source = self.source();
        source.start(&Needs::of("shop.ship").attempts(8).concurrency(8)).await.unwrap();
        source
    }

    /// Publishes to any queue.
    pub(crate) async fn publish_to(
        &self,
        queue: &str,
        properties: BasicProperties,
        payload: &[u8],
    ) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let queue = queue.into();
        let published = self.channel.basic_publish("".into(), queue, options, payload, properties);
        let confirmed = published.await.unwrap().await.unwrap();
        assert!(confirmed.is_ack() && confirmed.take_message().is_none(), "it is published");
    }

    pub(crate) async fn publish_with(&self, properties: BasicProperties, payload: &str) {
        self.publish_to(&self.queue, properties, payload.as_bytes()).await;
    }

    pub(crate) async fn publish(&self, id: &str, payload: &str) {
        self.publish_with(identified(id), payload).await;
    }

    /// What is in a queue, and stays there.
    pub(crate) async fn messages_in(&self, queue: &str) -> Vec<(BasicProperties, Vec<u8>)> {
        // Closing the channel gives them back.
        let channel = self.connection.create_channel().await.unwrap();
        let mut messages = Vec::new();
        let options = BasicGetOptions { no_ack: false };
        while let Some(got) = channel.basic_get(queue.into(), options).await.unwrap() {
            messages.push((got.delivery.properties, got.delivery.data));
        }
        channel.close(200, "".into()).await.unwrap();
        messages
    }

    pub(crate) async fn dead_letters(&self) -> Vec<(BasicProperties, Vec<u8>)> {
        self.messages_in(&self.dead()).await
    }

    /// Waits until there are this many dead letters.
    pub(crate) async fn until_dead(&self, letters: usize) -> Vec<(BasicProperties, Vec<u8>)> {
        let waiting = async {
            loop {
                let found = self.dead_letters().await;
                if found.len() >= letters {
                    return found;
                }
                tokio::time::sleep(millis(50)).await;
            }
        };
        tokio::time::timeout(secs(60), waiting).await.expect("they are parked")
    }

    /// Waits until there is a queue with this name.
    pub(crate) async fn until_there(&self, name: &str) {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        // A refusal closes the channel.
        loop {
            let channel = self.connection.create_channel().await.unwrap();
            let found = channel.queue_declare(name.into(), options, FieldTable::default()).await;
            if found.is_ok() {
                return;
            }
        }
    }

    /// How many messages wait to be delivered.
    pub(crate) async fn ready(&self) -> u32 {
        self.declared().await.message_count()
    }

    /// How many consumers the queue has.
    pub(crate) async fn consumers(&self) -> u32 {
        self.declared().await.consumer_count()
    }

    async fn declared(&self) -> lapin::Queue {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let name = self.queue.as_str().into();
        self.channel.queue_declare(name, options, FieldTable::default()).await.unwrap()
    }

    /// How many messages are ready, and how many in hand: in the queue, and in those where its messages wait.
    pub(crate) async fn counts(&self) -> (u64, u64) {
        let columns = ["name", "messages_ready", "messages_unacknowledged"];
        let words = [["list_queues", "--quiet", "--no-table-headers"], columns].concat();
        let listed = self.server.ctl(&words).await;
        let delays = format!("{}.delay.", self.queue);
        let mut counts = (0, 0);
        for line in listed.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if words.first().is_none_or(|name| *name != self.queue && !name.starts_with(&delays)) {
                continue;
            }
            let [_, ready, in_hand] = words[..] else { panic!("{listed:?}") };
            counts.0 += ready.parse::<u64>().unwrap();
            counts.1 += in_hand.parse::<u64>().unwrap();
        }
        counts
    }

    /// Waits until these are the counts, and stay so: the broker counts once a second.
    pub(crate) async fn until_counts(&self, expected: (u64, u64)) {
        let (mut found, mut times) = ((0, 0), 0);
        let waiting = async {
            while times < 2 {
                found = self.counts().await;
                times = if found == expected { times + 1 } else { 0 };
                tokio::time::sleep(secs(1)).await;
            }
        };
        let waited = tokio::time::timeout(secs(120), waiting).await;
        assert!(waited.is_ok(), "{found:?} and not {expected:?}");
    }
}

pub(crate) async fn connect(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

pub(crate) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

pub(crate) fn identified(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into()).with_delivery_mode(2)
}

/// A header as text.
pub(crate) fn header(properties: &BasicProperties, name: &str) -> String {
    let value = properties.headers().as_ref().and_then(|headers| headers.inner().get(name));
    match value {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        Some(AMQPValue::LongLongInt(number)) => number.to_string(),
        Some(value) => format!("{value:?}"),
        None => String::new(),
    }
}

/// The next delivery, which must come, however often the source has to connect.
pub(crate) async fn next(source: &mut RabbitMqSource) -> Delivery {
    let waiting = async {
        loop {
            match source.next(std::num::NonZeroUsize::MIN).await {
                Ok(delivery) => return delivery,
                Err(error) => assert_eq!(error.kind(), SourceErrorKind::Unavailable, "{error}"),
            }
            tokio::time::sleep(millis(50)).await;
        }
    };
    tokio::time::timeout(secs(60), waiting).await.expect("a message comes")
}

#[async_trait]
impl SourceSubject for Brokered {
    async fn connect(&self) -> Box<dyn Source> {
        Box::new(self.source())
    }

    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        let properties = match id {
            Some(id) => identified(id),
            None => BasicProperties::default(),
        };
        self.publish_to(&self.queue, properties, payload).await;
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        let letters = self.dead_letters().await.into_iter();
        let id = |properties: &BasicProperties| {
            properties.message_id().as_ref().map(lapin::types::ShortString::to_string)
        };
        letters
            .map(|(properties, payload)| (id(&properties).unwrap_or_default(), payload))
            .collect()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }

    /// It is parked.
    fn gives_ids(&self) -> bool {
        false
    }

    fn patience(&self) -> Duration {
        secs(60)
    }
}
