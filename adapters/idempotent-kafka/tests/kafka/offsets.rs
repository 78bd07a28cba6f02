//! What is committed, and how far a partition goes on beyond a stuck message.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::consumer::{Needs, Source, SourceErrorKind, Verdict};
use idempotent_kafka::rdkafka::consumer::{BaseConsumer, Consumer};
use idempotent_kafka::rdkafka::{Message, Offset, TopicPartitionList};

use crate::cluster::{Topics, next};
use crate::effects::{millis, secs};

#[tokio::test(flavor = "multi_thread")]
async fn offsets_never_pass_an_unfinished_message_and_never_go_back() {
    let topics = Topics::with_partitions(1);
    for number in 0..6 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let mut source = topics.started().await;
    let mut deliveries = Vec::new();
    for _ in 0..6 {
        deliveries.push(next(&mut source).await);
    }
    for later in &deliveries[1..] {
        later.settle(&Verdict::Completed).await.unwrap();
    }
    // For as long as some commits would have taken.
    tokio::time::sleep(secs(1)).await;
    assert_eq!(topics.committed().await, [None]);
    deliveries[0].settle(&Verdict::Retry { after: millis(1500) }).await.unwrap();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(topics.committed().await, [None]);
    let again = next(&mut source).await;
    assert_eq!(again.message().id(), "order-0");
    again.settle(&Verdict::Completed).await.unwrap();
    topics.until_committed(&[Some(6)]).await;
    // Whatever is said again of those before.
    deliveries[3].settle(&Verdict::Completed).await.unwrap();
    deliveries[0].settle(&Verdict::Completed).await.unwrap();
    tokio::time::sleep(millis(600)).await;
    assert_eq!(topics.committed().await, [Some(6)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_key_holds_up_its_partition_only_once_that_is_far_ahead_and_never_another_one() {
    let topics = Topics::with_partitions(2);
    topics.publish(0, Some("stuck"), "stuck-0").await;
    topics.publish(0, Some("stuck"), "stuck-1").await;
    for number in 0..10 {
        let order = format!("order-{number}");
        topics.publish(0, Some(&order), &order).await;
        topics.publish(1, Some(&order), &format!("other-{number}")).await;
    }
    let mut source = topics.source().max_ahead(5);
    source.start(&Needs::of("shop.ship").concurrency(8)).await.unwrap();
    let (mut stuck, mut done) = (None, BTreeSet::new());
    // 3 beside the stuck one and its follower, and all of the other partition.
    while done.len() < 3 + 10 || stuck.is_none() {
        let delivery = next(&mut source).await;
        let id = delivery.message().id().to_owned();
        assert_ne!(id, "stuck-1", "it has overtaken the one before it");
        if id == "stuck-0" {
            stuck = Some(delivery);
        } else {
            delivery.settle(&Verdict::Completed).await.unwrap();
            done.insert(id);
        }
    }
    assert_eq!(done.iter().filter(|id| id.starts_with("order-")).count(), 3);
    let more = tokio::time::timeout(secs(1), source.next(NonZeroUsize::MIN)).await;
    assert!(more.is_err(), "the partition has gone on beyond its limit");
    topics.until_committed(&[None, Some(10)]).await;
    stuck.unwrap().settle(&Verdict::Completed).await.unwrap();
    while done.len() < 1 + 10 + 10 {
        let delivery = next(&mut source).await;
        delivery.settle(&Verdict::Completed).await.unwrap();
        done.insert(delivery.message().id().to_owned());
    }
    topics.until_committed(&[Some(12), Some(10)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_counted_of_messages_that_no_other_member_can_have_had() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "before").await;
    let mut source = topics.started().await;
    let before = next(&mut source).await;
    assert_eq!(before.message().delivery_count(), None);
    before.settle(&Verdict::Completed).await.unwrap();
    // Until the source has heard where the partition ends.
    let mut is_counted = false;
    while !is_counted {
        topics.publish(0, None, "probe").await;
        let probe = next(&mut source).await;
        is_counted = probe.message().delivery_count() == Some(1);
        probe.settle(&Verdict::Completed).await.unwrap();
    }
    topics.publish(0, None, "after").await;
    for count in 1..=3 {
        let delivery = next(&mut source).await;
        let message = delivery.message();
        assert_eq!((message.id(), message.delivery_count()), ("after", Some(count)));
        delivery.settle(&Verdict::Retry { after: millis(1) }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_with_many_messages_does_not_keep_another_one_waiting() {
    let topics = Topics::with_partitions(2);
    topics.publish(1, None, "one").await;
    for number in 0..200 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let mut source = topics.started().await;
    let (mut before, mut id) = (0, String::new());
    while id != "one" {
        let delivery = next(&mut source).await;
        id = delivery.message().id().to_owned();
        // Time for the client to fetch the other partition.
        tokio::time::sleep(millis(20)).await;
        delivery.settle(&Verdict::Completed).await.unwrap();
        before += 1;
        assert!(before < 100, "it waits for the other partition");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_without_an_offset_ends_a_source_that_must_not_choose_one() {
    let topics = Topics::with_partitions(1);
    let mut client = topics.client();
    client.set("auto.offset.reset", "error");
    let mut source = topics.source_of(client);
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let gone = tokio::time::timeout(secs(30), source.next(NonZeroUsize::MIN)).await.unwrap();
    let error = gone.map(drop).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Gone);
    assert!(error.to_string().contains("--reset-offsets"), "{error}");
}

/// The source relies on it where it has to go back. No mock cluster makes it do so.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_back_gives_nothing_any_more_of_what_it_had_fetched() {
    let topics = Topics::with_partitions(1);
    for number in 0..10 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let (config, topic) = (topics.client(), topics.orders.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let consumer: Arc<BaseConsumer> = Arc::new(config.create().unwrap());
        let queue = consumer.split_partition_queue(&topic, 0).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let next = || {
            let mut polls = (0..300).filter_map(|_| {
                drop(consumer.poll(Duration::ZERO));
                queue.poll(millis(100))
            });
            polls.next().unwrap().unwrap().offset()
        };
        let before = [(); 5].map(|()| next());
        consumer.seek(&topic, 0, Offset::Offset(2), Duration::ZERO).unwrap();
        (before, [(); 2].map(|()| next()))
    });
    assert_eq!(reading.await.unwrap(), ([0, 1, 2, 3, 4], [2, 3]));
}
