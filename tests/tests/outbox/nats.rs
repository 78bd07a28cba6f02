//! A real `JetStream` as the broker: what arrives there, what it drops, what it refuses, and what becomes
//! of messages while it is away.

use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use async_nats::jetstream::{self, Context};
use futures::StreamExt;
use idempotent_core::outbox::nats::{JetStream, received};
use idempotent_core::outbox::{Draft, Message, MessageId, Publish, PublishErrorKind, Relay};
use idempotent_servers::{Nats, Server, require};
use idempotent_tests::millis;

use crate::broker::text;
use crate::database::{Database, Running, TOPIC, numbers};

pub(crate) const STREAM: &str = "ORDERS";

/// A server with a database beside it.
pub(crate) struct Brokered {
    pub(crate) database: Database,
    pub(crate) nats: Nats,
    pub(crate) context: Context,
}

impl Brokered {
    /// With a stream that takes `orders.>`.
    pub(crate) async fn new(config: Config) -> Self {
        let brokered = Self::without_stream().await;
        brokered.add(config).await;
        brokered
    }

    pub(crate) async fn without_stream() -> Self {
        let (database, nats) = (Database::new().await, Nats::start().await);
        let context = context(&nats.url()).await;
        Self { database, nats, context }
    }

    pub(crate) async fn add(&self, config: Config) {
        self.context.create_stream(orders(config)).await.unwrap();
    }

    pub(crate) fn relay(&self) -> Relay {
        self.database.relay(JetStream::new(self.context.clone()))
    }

    pub(crate) async fn has(&self, messages: usize) -> Vec<Message> {
        stored(&self.context, messages).await
    }
}

pub(crate) fn orders(config: Config) -> Config {
    Config { name: STREAM.to_owned(), subjects: vec!["orders.>".to_owned()], ..config }
}

/// A connection that comes back quickly.
pub(crate) async fn context(url: &str) -> Context {
    let options = async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| millis(20));
    jetstream::new(options.connect(url).await.unwrap())
}

/// The first messages in the stream, in its order.
pub(crate) async fn stored(context: &Context, messages: usize) -> Vec<Message> {
    let stream = context.get_stream(STREAM).await.unwrap();
    let consumer = stream.create_consumer(OrderedConfig::default()).await.unwrap();
    let stored = consumer.messages().await.unwrap().take(messages);
    let read = stored.map(|message| received(&message.unwrap()).unwrap()).collect();
    tokio::time::timeout(Duration::from_secs(30), read).await.unwrap()
}

pub(crate) fn texts(messages: &[Message]) -> Vec<String> {
    messages.iter().map(text).collect()
}

#[tokio::test]
async fn all_of_a_message_arrives_and_is_read_back() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let began = SystemTime::now();
    let mut tx = brokered.database.pool.begin().await.unwrap();
    let id = Draft::new("orders.paid", "ключ ' \" 1", &[0, 255, 10])
        .header("traceparent", "00-1")
        .header("b", "zwei,  \"ü\"")
        .header("b", "")
        .publish(&mut tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    brokered.relay().pass().await.unwrap();

    let message = &brokered.has(1).await[0];
    assert_eq!((message.id, &*message.topic, &*message.key), (id, "orders.paid", "ключ ' \" 1"));
    assert_eq!(message.payload, [0, 255, 10]);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [header("b", "zwei,  \"ü\""), header("b", ""), header("traceparent", "00-1")];
    assert_eq!(message.headers, headers);
    let clock = millis(1_000);
    assert!(message.published_at + clock >= began && message.published_at <= began + clock * 60);
}

#[tokio::test]
async fn what_is_published_twice_is_in_the_stream_once() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let broker = JetStream::new(brokered.context.clone());
    let first = Message::new(MessageId::random(), TOPIC, "order-1", "1");
    let second = Message::new(MessageId::random(), TOPIC, "order-1", "2");

    for message in [&first, &first, &second, &first] {
        broker.publish(message).await.unwrap();
    }

    let stream = brokered.context.get_stream(STREAM).await.unwrap();
    assert_eq!(stream.cached_info().state.messages, 2);
    assert_eq!(texts(&brokered.has(2).await), numbers(2));
}

#[tokio::test]
async fn what_no_relay_published_is_no_message() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    brokered.context.publish(TOPIC, "foreign".into()).await.unwrap().await.unwrap();

    let stream = brokered.context.get_stream(STREAM).await.unwrap();
    let consumer = stream.create_consumer(OrderedConfig::default()).await.unwrap();
    let foreign = consumer.messages().await.unwrap().next().await.unwrap().unwrap();

    assert_eq!(received(&foreign), None);
}

#[tokio::test]
async fn a_subject_without_a_stream_waits_until_there_is_one() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::without_stream().await;
    brokered.database.publish("order-1", 1..=2).await;
    let relay = brokered.relay().park_after(1_000_000);
    let pass = relay.pass().await.unwrap();
    assert_eq!((pass.delivered, pass.refused, pass.unavailable, pass.parked), (0, 1, 0, 0));

    let running = Running::start(relay);
    brokered.add(Config::default()).await;
    brokered.database.drained().await;
    running.stop().await;

    assert_eq!(texts(&brokered.has(2).await), numbers(2));
}

#[tokio::test]
async fn what_the_stream_or_the_server_finds_too_large_is_parked_and_its_key_goes_on() {
    require!(Server::Postgres, Server::Nats);
    let config = Config { max_message_size: 1_000, ..Config::default() };
    let brokered = Brokered::new(config).await;
    let (large, larger) = (vec![0; 2_000], vec![0; 3 << 20]);
    let mut tx = brokered.database.pool.begin().await.unwrap();
    for payload in [&large[..], &larger[..], b"1"] {
        Draft::new(TOPIC, "order-1", payload).publish(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();

    let pass = brokered.relay().pass().await.unwrap();

    assert_eq!((pass.delivered, pass.refused, pass.parked), (1, 2, 2));
    assert_eq!(texts(&brokered.has(1).await), numbers(1));
    let parked = brokered.database.outbox().parked(None, 10).await.unwrap();
    let reasons: Vec<_> = parked.iter().map(|parked| &*parked.reason).collect();
    assert!(reasons[0].contains("message size exceeds maximum allowed"), "{reasons:?}");
    assert!(reasons[1].contains("max payload size exceeded"), "{reasons:?}");
}

#[tokio::test]
async fn a_topic_that_is_no_subject_is_parked() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let mut tx = brokered.database.pool.begin().await.unwrap();
    for topic in
        ["orders paid", "orders..paid", ".orders", "orders.", "orders.*", "orders.>", TOPIC]
    {
        Draft::new(topic, "order-1", "1").publish(&mut tx).await.unwrap();
    }
    tx.commit().await.unwrap();

    let pass = brokered.relay().pass().await.unwrap();

    assert_eq!((pass.delivered, pass.unavailable, pass.parked), (1, 0, 6));
}

#[tokio::test]
async fn a_stream_that_is_full_waits_for_room() {
    require!(Server::Postgres, Server::Nats);
    let config = Config { max_messages: 1, discard: DiscardPolicy::New, ..Config::default() };
    let brokered = Brokered::new(config).await;
    brokered.database.publish("order-1", 1..=2).await;
    let relay = brokered.relay().park_after(1);
    let pass = relay.pass().await.unwrap();
    assert_eq!((pass.delivered, pass.parked), (1, 0));
    assert!(pass.unavailable >= 1);

    let stream = brokered.context.get_stream(STREAM).await.unwrap();
    stream.purge().await.unwrap();
    let running = Running::start(relay);
    brokered.database.drained().await;
    running.stop().await;

    assert_eq!(texts(&brokered.has(1).await), ["2"]);
}

#[tokio::test]
async fn a_server_that_was_killed_and_comes_back_gets_every_message_in_order() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let relay = Running::start(brokered.relay().park_after(1));
    brokered.database.publish("order-1", 1..=5).await;
    brokered.database.drained().await;

    brokered.nats.kill();
    brokered.database.publish("order-1", 6..=10).await;
    tokio::time::sleep(millis(700)).await;
    assert_eq!(brokered.database.backlog().await, (5, 0), "nobody was there to take them");
    brokered.nats.restart().await;
    brokered.database.drained().await;
    relay.stop().await;

    assert_eq!(texts(&brokered.has(10).await), numbers(10));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    require!(Server::Nats);
    let nats = Nats::start().await;
    let mut context = context(&nats.url()).await;
    context.set_timeout(millis(100));
    nats.kill();

    let message = Message::new(MessageId::random(), TOPIC, "order-1", "1");
    let error = JetStream::new(context).publish(&message).await.unwrap_err();

    assert_eq!(error.kind(), PublishErrorKind::Unavailable);
}
