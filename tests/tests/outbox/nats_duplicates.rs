//! What a real `JetStream` remembers of the ids that it was given, and what it forgets.

use std::sync::atomic::{AtomicU32, Ordering};

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use futures::StreamExt;
use idempotent_core::outbox::nats::{JetStream, received};
use idempotent_core::outbox::{Message, MessageId, Publish};
use idempotent_core::{Error, Idempotency, idempotent};
use idempotent_servers::{Server, require};

use crate::database::TOPIC;
use crate::nats::{Brokered, STREAM};

impl Brokered {
    async fn messages(&self) -> u64 {
        self.context.get_stream(STREAM).await.unwrap().cached_info().state.messages
    }

    /// Takes the only message from the queue, and acknowledges it.
    async fn consume(&self) -> Message {
        let stream = self.context.get_stream(STREAM).await.unwrap();
        let config =
            pull::Config { durable_name: Some("billing".to_owned()), ..Default::default() };
        let consumer: PullConsumer =
            stream.get_or_create_consumer("billing", config).await.unwrap();
        let delivery = consumer.messages().await.unwrap().next().await.unwrap().unwrap();
        delivery.double_ack().await.unwrap();
        received(&delivery).unwrap()
    }
}

#[idempotent(key = message.id, name = "outbox::duplicates", engine = engine)]
async fn on_paid(message: Message, engine: &Idempotency, effects: &AtomicU32) -> Result<(), Error> {
    effects.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[tokio::test]
async fn a_work_queue_forgets_at_a_restart_what_was_acknowledged_and_the_consumer_does_not() {
    require!(Server::Postgres, Server::Nats);
    let config = Config { retention: RetentionPolicy::WorkQueue, ..Config::default() };
    let brokered = Brokered::new(config).await;
    let broker = JetStream::new(brokered.context.clone());
    let message = Message::new(MessageId::random(), TOPIC, "order-1", "1");
    let (engine, effects) = (idempotent_tests::engine(), AtomicU32::new(0));

    broker.publish(&message).await.unwrap();
    broker.publish(&message).await.unwrap();
    assert_eq!(brokered.messages().await, 1, "it is dropped while it is there");
    on_paid(brokered.consume().await, &engine, &effects).await.unwrap();
    broker.publish(&message).await.unwrap();
    assert_eq!(brokered.messages().await, 0, "it is dropped within the duplicate window");

    brokered.nats.restart().await;
    broker.publish(&message).await.unwrap();
    assert_eq!(brokered.messages().await, 1, "it is not, although the window is not over");
    on_paid(brokered.consume().await, &engine, &effects).await.unwrap();
    assert_eq!(effects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_stream_forgets_at_a_restart_what_was_superseded_and_not_what_it_has() {
    require!(Server::Postgres, Server::Nats);
    let config = Config { max_messages_per_subject: 1, ..Config::default() };
    let brokered = Brokered::new(config).await;
    let broker = JetStream::new(brokered.context.clone());
    let message = || Message::new(MessageId::random(), TOPIC, "order-1", "1");
    let (superseded, last) = (message(), message());
    broker.publish(&superseded).await.unwrap();
    broker.publish(&last).await.unwrap();
    let sequence = async || {
        brokered.context.get_stream(STREAM).await.unwrap().cached_info().state.last_sequence
    };
    broker.publish(&superseded).await.unwrap();
    assert_eq!(sequence().await, 2, "both are remembered");

    brokered.nats.restart().await;
    broker.publish(&last).await.unwrap();
    assert_eq!(sequence().await, 2, "what it has, it remembers");
    broker.publish(&superseded).await.unwrap();
    assert_eq!(sequence().await, 3, "what it has not, it takes again");
}
