//! Messages that come again: here, or by a retry topic.

use std::sync::{Arc, Mutex};

use idempotent_core::consumer::{Consumer, Needs, Source, Verdict};
use idempotent_kafka::rdkafka::message::OwnedHeaders;
use idempotent_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use idempotent_kafka::{DUE, POSITION, TOPIC};
use tokio::time::Instant;

use crate::cluster::{Cluster, Topics, header, next};
use crate::effects::{Effects, Ends, Running, attempts, engine, millis, secs, until};

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_key_stay_in_order_while_one_of_them_fails() {
    let topics = Topics::with_partitions(1);
    for number in 0..4 {
        for key in ["a", "b"] {
            topics.publish(0, Some(key), &format!("{key}{number}")).await;
        }
    }
    let (effects, ends) = (Effects::default(), Ends::default());
    let order = Arc::new(Mutex::new(Vec::new()));
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(5)));
    let (counted, ran) = (effects.clone(), Arc::clone(&order));
    let consumer = builder.handler(move |payload: String| {
        ran.lock().unwrap().push(payload.clone());
        let fails = payload == "a1" && counted.add("a1") < 3;
        async move { if fails { Err("the carrier is down") } else { Ok(()) } }
    });
    let running = Running::start(&consumer, topics.source());
    until(|| ends.finals() == 8).await;
    running.stop().await;
    let order = order.lock().unwrap().clone();
    let of = |key: &str| -> Vec<String> {
        order.iter().filter(|order| order.starts_with(key)).cloned().collect()
    };
    assert_eq!(of("a"), ["a0", "a1", "a1", "a1", "a2", "a3"]);
    assert_eq!(of("b"), ["b0", "b1", "b2", "b3"]);
    // The other key did not wait.
    let position = |name: &str| order.iter().rposition(|order| order == name).unwrap();
    assert!(position("b3") < position("a1"), "{order:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_key_run_at_once_if_they_are_unordered() {
    let topics = Topics::with_partitions(1);
    for number in 0..2 {
        topics.publish(0, Some("a"), &format!("a{number}")).await;
    }
    let mut source = topics.source().unordered();
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let both = [next(&mut source).await, next(&mut source).await];
    assert_ne!(both[0].message().id(), both[1].message().id());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_the_retry_topic_holds_nothing_up_and_keeps_its_id_and_its_place() {
    let topics = Topics::with_partitions(1);
    topics.produce(&topics.orders, 0, Some("7"), b"tea", OwnedHeaders::new()).await;
    let mut source = topics.source().retry_topic(topics.retry());
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let first = next(&mut source).await;
    let (told, pause) = (Instant::now(), secs(12));
    first.settle(&Verdict::Retry { after: pause }).await.unwrap();
    topics.until_committed(&[Some(1)]).await;
    assert!(told.elapsed() < pause, "its partition has waited");
    let at = format!("{}/0/0", topics.orders);
    let copies = topics.records(&topics.retry()).await;
    assert_eq!(
        (header(&copies[0], POSITION), header(&copies[0], TOPIC)),
        (at.clone(), topics.orders.clone())
    );
    assert!(!header(&copies[0], DUE).is_empty());
    let second = next(&mut source).await;
    assert!(told.elapsed() >= pause.mul_f64(0.9), "it came after {:?}", told.elapsed());
    let message = second.message();
    assert_eq!((message.id(), message.position()), (at.as_str(), at.as_str()));
    assert_eq!((message.topic(), message.key()), (topics.orders.as_str(), Some("7")));
    assert_eq!(message.headers().count(), 0);
    // Held where it is, since nothing has failed.
    second.settle(&Verdict::Busy { after: millis(1) }).await.unwrap();
    next(&mut source).await.settle(&Verdict::Completed).await.unwrap();
    assert_eq!(topics.records(&topics.retry()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_over_the_copies_on_the_retry_topic() {
    let topics = Topics::with_partitions(1);
    topics.produce(&topics.orders, 0, None, b"bad", OwnedHeaders::new()).await;
    let (effects, ends) = (Effects::default(), Ends::default());
    let counted = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(3)));
    let consumer = builder.handler(move |payload: String| {
        counted.add(&payload);
        async { Err::<(), _>("the carrier is down") }
    });
    let running = Running::start(&consumer, topics.source().retry_topic(topics.retry()));
    until(|| ends.finals() == 1).await;
    running.stop().await;
    assert_eq!((effects.of("bad"), topics.records(&topics.retry()).await.len()), (3, 2));
    assert_eq!(topics.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_delivery_settles_nothing_of_the_one_that_came_after_it() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "order-7").await;
    let mut source = topics.source().deadline(millis(300));
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let first = next(&mut source).await;
    first.settle(&Verdict::GivenBack).await.unwrap();
    let second = next(&mut source).await;
    first.settle(&Verdict::Retry { after: secs(0) }).await.unwrap();
    drop(first);
    let third = tokio::time::timeout(secs(1), source.next(std::num::NonZeroUsize::MIN)).await;
    assert!(third.is_err(), "it came though it is in hand");
    second.settle(&Verdict::Completed).await.unwrap();
    topics.until_committed(&[Some(1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_confirmed_when_nobody_waits_for_it_is_the_only_one() {
    let topics = Topics::on(Cluster::start(), 1);
    topics.publish(0, None, "order-7").await;
    // The producer tries again later than a verdict waits.
    let mut producer = topics.client();
    producer.set("retry.backoff.ms", "7000").set("retry.backoff.max.ms", "7000");
    for name in ["group.id", "session.timeout.ms", "heartbeat.interval.ms", "fetch.wait.max.ms"] {
        producer.remove(name);
    }
    producer.remove("max.poll.interval.ms").remove("partition.assignment.strategy");
    let source = topics.source().retry_topic(topics.retry()).producer(producer);
    let mut source = source.deadline(secs(20));
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let delivery = next(&mut source).await;
    topics.cluster.with(|mock| {
        let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT];
        mock.request_errors(RDKafkaApiKey::Produce, &refusal);
    });
    let error = delivery.settle(&Verdict::Retry { after: secs(60) }).await.unwrap_err();
    assert!(error.to_string().contains("not confirmed yet"), "{error}");
    drop(delivery);
    // Before the message would come again.
    let dropped = Instant::now();
    topics.until_committed(&[Some(1)]).await;
    assert!(dropped.elapsed() < secs(19), "it took {:?}", dropped.elapsed());
    assert_eq!(topics.records(&topics.retry()).await.len(), 1);
}
