//! What the broker counts, and where it puts what is given back: facts of the table in the README, by the client alone.

use std::time::Duration;

use idempotent_rabbitmq::lapin::message::Delivery;
use idempotent_rabbitmq::lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use idempotent_rabbitmq::lapin::types::{AMQPValue, FieldTable};
use idempotent_rabbitmq::lapin::{BasicProperties, Channel, Connection, Consumer};
use idempotent_servers::{Server, require};

use crate::broker::{CLASSIC, QUORUM, connect, shared, text};
use crate::effects::{millis, secs};

/// A queue with the messages 1 and 2.
async fn queue(
    name: &'static str,
    kind: &str,
    argument: Option<(&str, AMQPValue)>,
) -> (Connection, Channel) {
    let (connection, channel) = connect(&shared().await.url()).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text(kind));
    if let Some((name, value)) = argument {
        arguments.insert(name.into(), value);
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, arguments).await.unwrap();
    for payload in [b"1", b"2"] {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let published = channel.basic_publish("".into(), name.into(), options, payload, properties);
        assert!(published.await.unwrap().await.unwrap().is_ack());
    }
    (connection, channel)
}

/// The next message. What was just given back may take a moment.
async fn get(channel: &Channel, queue: &str) -> Delivery {
    let getting = async {
        loop {
            let got = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap();
            match got {
                Some(got) => return got.delivery,
                None => tokio::time::sleep(millis(10)).await,
            }
        }
    };
    tokio::time::timeout(secs(30), getting).await.expect("there is a message")
}

fn count(delivery: &Delivery) -> Option<i64> {
    let headers = delivery.properties.headers().as_ref()?;
    match headers.inner().get("x-delivery-count")? {
        AMQPValue::LongLongInt(count) => Some(*count),
        value => panic!("{value:?}"),
    }
}

async fn nack(delivery: &Delivery) {
    let options = BasicNackOptions { requeue: true, multiple: false };
    assert!(delivery.acker.nack(options).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_counts_a_nack_and_a_reject_from_zero() {
    require!(Server::RabbitMq);
    // With a limit it comes again at once.
    let limit = Some(("x-delivery-limit", AMQPValue::LongLongInt(100)));
    let (_connection, channel) = queue("counted", QUORUM, limit).await;
    let first = get(&channel, "counted").await;
    assert_eq!((count(&first), first.redelivered), (Some(0), false));
    nack(&first).await;
    let second = get(&channel, "counted").await;
    assert_eq!((count(&second), second.redelivered), (Some(1), true));
    assert!(second.acker.reject(BasicRejectOptions { requeue: true }).await.unwrap());
    let third = get(&channel, "counted").await;
    assert_eq!((count(&third), third.redelivered), (Some(2), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_goes_to_the_tail_of_a_quorum_queue_and_to_the_head_of_one_with_a_limit()
{
    require!(Server::RabbitMq);
    let limit = Some(("x-delivery-limit", AMQPValue::LongLongInt(100)));
    for (name, kind, argument, next) in [
        ("given-back-unlimited", QUORUM, None, "2"),
        ("given-back-limited", QUORUM, limit, "1"),
        ("given-back-classic", CLASSIC, None, "1"),
    ] {
        let (_connection, channel) = queue(name, kind, argument).await;
        nack(&get(&channel, name).await).await;
        assert_eq!(get(&channel, name).await.data, next.as_bytes(), "{name}");
    }
}

/// A consumer with one message in hand at most.
async fn consumer(channel: &Channel, queue: &str, tag: &str) -> Consumer {
    channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await.unwrap()
}

async fn next(consumer: &mut Consumer, within: Duration) -> Option<Delivery> {
    use futures_core::Stream as _;
    let next = std::future::poll_fn(|cx| std::pin::Pin::new(&mut *consumer).poll_next(cx));
    tokio::time::timeout(within, next).await.ok()?.map(Result::unwrap)
}

/// What the second consumer of a queue with a single active one gets when the first is cancelled with a message in hand.
async fn behind_one_that_is_cancelled(
    name: &'static str,
    kind: &str,
    within: Duration,
) -> Option<Vec<u8>> {
    let single = Some(("x-single-active-consumer", AMQPValue::Boolean(true)));
    let (connection, channel) = queue(name, kind, single).await;
    let mut active = consumer(&channel, name, "active").await;
    let in_hand = next(&mut active, secs(30)).await.unwrap();
    assert_eq!(in_hand.data, b"1");
    let other = connection.create_channel().await.unwrap();
    let mut waiting = consumer(&other, name, "waiting").await;
    channel.basic_cancel("active".into(), BasicCancelOptions::default()).await.unwrap();
    let got = next(&mut waiting, within).await.map(|delivery| delivery.data);
    assert!(in_hand.acker.ack(BasicAckOptions::default()).await.unwrap());
    got
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_single_active_consumer_that_is_cancelled_a_quorum_queue_does_not_wait() {
    require!(Server::RabbitMq);
    let (quorum, classic) = tokio::join!(
        behind_one_that_is_cancelled("single-quorum", QUORUM, secs(30)),
        behind_one_that_is_cancelled("single-classic", CLASSIC, secs(2)),
    );
    assert_eq!((quorum.as_deref(), classic), (Some(&b"2"[..]), None));
}
