//! A real `JetStream` that works while a message's destination does not: a stream is missing, is sealed, or
//! acknowledges nothing.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use futures::StreamExt;
use idempotent_core::outbox::nats::JetStream;
use idempotent_core::outbox::{Draft, Message, MessageId, Publish, PublishError, PublishErrorKind};
use idempotent_servers::{Server, require};
use idempotent_tests::Log;

use crate::database::{Running, TOPIC, numbers};
use crate::nats::{Brokered, orders, texts};

/// No stream takes it.
const LOST: &str = "lost.paid";

impl Brokered {
    async fn publish_lost(&self, key: &str, payloads: impl IntoIterator<Item = u32>) {
        for payload in payloads {
            let mut tx = self.database.pool.begin().await.unwrap();
            let payload = payload.to_string();
            Draft::new(LOST, key, &payload).publish(&mut tx).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    /// The error of a message with this topic, published by this broker.
    async fn refusal(&self, topic: &str) -> PublishError {
        refusal(&JetStream::new(self.context.clone()), topic).await
    }
}

async fn refusal(broker: &JetStream, topic: &str) -> PublishError {
    let message = Message::new(MessageId::random(), topic, "order-1", "1");
    broker.publish(&message).await.unwrap_err()
}

fn causes(error: &PublishError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

#[tokio::test]
async fn a_topic_without_a_stream_is_said_once_and_its_messages_are_parked_after_their_attempts() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let (log, _listening) = Log::listen();
    brokered.publish_lost("order-1", 1..=3).await;
    brokered.database.publish("order-1", [4]).await;
    brokered.database.publish("order-2", 1..=3).await;

    let relay = Running::start(brokered.relay().park_after(5));
    brokered.database.drained().await;
    relay.stop().await;

    assert_eq!(brokered.database.backlog().await, (0, 3));
    assert_eq!(texts(&brokered.has(4).await).len(), 4, "its key goes on, and others are delivered");
    let parked = brokered.database.outbox().parked(None, 10).await.unwrap();
    for parked in &parked {
        assert_eq!(parked.message.attempt, 6, "after five attempts");
        assert!(parked.reason.contains("no stream takes the subject `lost.paid`"), "{parked:?}");
    }
    assert_eq!(log.events("have no destination").len(), 1);
    assert_eq!(log.events("is parked").len(), 3);
    for broker in ["answered to no message", "was unavailable", "refused a message"] {
        assert!(log.events(broker).is_empty(), "{broker}");
    }
}

#[tokio::test]
async fn a_topic_that_had_a_stream_again_is_said_again() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::without_stream().await;
    let (log, _listening) = Log::listen();
    let relay = Running::start(brokered.relay().park_after(1_000_000));
    for round in 1..=2 {
        brokered.database.publish("order-1", [round]).await;
        let said = async {
            while log.events("have no destination").len() < round as usize {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), said).await.unwrap();
        brokered.add(Config::default()).await;
        brokered.database.drained().await;
        brokered.context.delete_stream(crate::nats::STREAM).await.unwrap();
    }
    relay.stop().await;
    assert_eq!(log.events("have a destination again").len(), 2);
}

#[tokio::test]
async fn streams_that_come_and_go_are_waited_for_where_that_was_asked_for() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::without_stream().await;
    let broker = JetStream::new(brokered.context.clone()).wait_for_streams();
    brokered.database.publish("order-1", 1..=2).await;
    let relay = brokered.database.relay(broker).park_after(1);
    let pass = relay.pass().await.unwrap();
    assert_eq!((pass.unavailable, pass.refused, pass.parked), (1, 0, 0));

    let running = Running::start(relay);
    brokered.add(Config::default()).await;
    brokered.database.drained().await;
    running.stop().await;

    assert_eq!(texts(&brokered.has(2).await), numbers(2));
}

/// Somebody who listens and does not reply keeps the server from saying that nobody does.
#[tokio::test]
async fn a_topic_that_only_others_listen_to_has_no_stream_either() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let client = async_nats::connect(brokered.nats.url()).await.unwrap();
    let _silent = client.subscribe(LOST).await.unwrap();
    let mut service = client.subscribe("service.paid").await.unwrap();
    client.flush().await.unwrap();
    tokio::spawn(async move {
        while let Some(request) = service.next().await {
            client.publish(request.reply.unwrap(), "thank you".into()).await.unwrap();
        }
    });

    let silence = brokered.refusal(LOST).await;
    assert_eq!(silence.kind(), PublishErrorKind::Destination);
    assert!(causes(&silence).contains("no stream takes the subject `lost.paid`"), "{silence:?}");

    let reply = brokered.refusal("service.paid").await;
    assert_eq!(reply.kind(), PublishErrorKind::Destination, "{reply:?}");
}

#[tokio::test]
async fn a_stream_that_acknowledges_nothing_is_found_out() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config { no_ack: true, ..Config::default() }).await;
    let error = brokered.refusal(TOPIC).await;
    assert_eq!(error.kind(), PublishErrorKind::Destination);
    assert!(causes(&error).contains("`no_ack`"), "{error:?}");
}

#[tokio::test]
async fn a_sealed_stream_takes_nothing_any_more() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    let sealed = orders(Config { sealed: true, ..Config::default() });
    brokered.context.update_stream(sealed).await.unwrap();
    let error = brokered.refusal(TOPIC).await;
    assert_eq!(error.kind(), PublishErrorKind::Destination, "{error:?}");
}

/// It would wait until somebody deletes the message before it, and its key would, too.
#[tokio::test]
async fn a_subject_that_is_full_is_refused_and_a_stream_that_is_full_is_waited_for() {
    require!(Server::Postgres, Server::Nats);
    let config = Config {
        max_messages_per_subject: 1,
        discard: async_nats::jetstream::stream::DiscardPolicy::New,
        discard_new_per_subject: true,
        max_messages: 2,
        ..Config::default()
    };
    let brokered = Brokered::new(config).await;
    let broker = JetStream::new(brokered.context.clone());
    let message = |topic: &str| Message::new(MessageId::random(), topic, "order-1", "1");
    broker.publish(&message("orders.a")).await.unwrap();
    assert_eq!(refusal(&broker, "orders.a").await.kind(), PublishErrorKind::Refused);
    broker.publish(&message("orders.b")).await.unwrap();
    assert_eq!(refusal(&broker, "orders.c").await.kind(), PublishErrorKind::Unavailable);
}

#[tokio::test]
async fn a_topic_that_is_a_command_to_the_server_is_not_sent() {
    require!(Server::Postgres, Server::Nats);
    let brokered = Brokered::new(Config::default()).await;
    for topic in ["$JS.API.STREAM.DELETE.ORDERS", "$SYS.REQ.SERVER.PING"] {
        assert_eq!(brokered.refusal(topic).await.kind(), PublishErrorKind::Poison, "{topic}");
    }
    assert!(brokered.context.get_stream(crate::nats::STREAM).await.is_ok());
}
