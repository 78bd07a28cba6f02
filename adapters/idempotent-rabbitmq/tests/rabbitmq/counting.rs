//! What the broker counts, and what it says of unroutable messages: facts that the source relies on.

use idempotent_core::consumer::{Source, Verdict};
use idempotent_rabbitmq::lapin::options::BasicPublishOptions;
use idempotent_rabbitmq::lapin::{BasicProperties, Confirmation};
use idempotent_servers::{Server, require};

use crate::broker::{Brokered, CLASSIC, QUORUM, connect, next, shared};

/// The numbers of the first three deliveries, of which each is given back, and that of a worker that went away.
async fn numbers(kind: &'static str) -> (Vec<Option<u64>>, Option<u64>) {
    let brokered = Brokered::start(kind).await;
    brokered.publish("order-7", "tea").await;
    let mut source = brokered.started().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let delivery = next(&mut source).await;
        numbers.push(delivery.message().delivery_count());
        delivery.settle(&Verdict::GivenBack).await.unwrap();
    }
    source.stop().await.unwrap();
    // The same of a retry, which is a new message for the broker.
    let mut source = brokered.started().await;
    next(&mut source)
        .await
        .settle(&Verdict::Retry { after: std::time::Duration::ZERO })
        .await
        .unwrap();
    let copy = next(&mut source).await.message().delivery_count();
    (numbers, copy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_queue_counts_what_is_given_back() {
    require!(Server::RabbitMq);
    assert_eq!(numbers(QUORUM).await, (vec![Some(1), Some(2), Some(3)], Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_queue_tells_the_first_delivery_from_others_and_no_more() {
    require!(Server::RabbitMq);
    assert_eq!(numbers(CLASSIC).await, (vec![Some(1), None, None], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_confirms_a_mandatory_message_that_no_queue_takes() {
    require!(Server::RabbitMq);
    let (_connection, channel) = connect(&shared().await.url()).await;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let properties = BasicProperties::default();
    let published = channel.basic_publish("".into(), "nowhere".into(), options, b"tea", properties);
    let confirmed = published.await.unwrap().await.unwrap();
    assert!(matches!(confirmed, Confirmation::Ack(Some(_))), "{confirmed:?}");
}
