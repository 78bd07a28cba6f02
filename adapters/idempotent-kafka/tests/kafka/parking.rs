//! Dead letters.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idempotent_core::consumer::{Consumer, ParkReason, Source, SourceErrorKind, Verdict};
use idempotent_kafka::rdkafka::Message as _;
use idempotent_kafka::rdkafka::message::{Header, OwnedHeaders};
use idempotent_kafka::rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use idempotent_kafka::{ATTEMPTS, CONSUMER, ERROR, ID, PARKED_AT, REASON};

use crate::cluster::{Cluster, Topics, header, next};
use crate::effects::{Effects, Ends, Running, attempts, counting, engine, secs, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_message_is_parked_and_says_why_and_others_go_on() {
    let topics = Topics::with_partitions(1);
    topics.produce(&topics.orders, 0, Some("7"), &[0xff], OwnedHeaders::new()).await;
    let headers = OwnedHeaders::new().insert(Header { key: "tenant", value: Some("a") });
    topics.produce(&topics.orders, 0, Some("7"), b"bad", headers).await;
    topics.publish(0, Some("7"), "tea").await;
    let (effects, ends) = (Effects::default(), Ends::default());
    let counted = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(3)));
    let consumer = builder.handler(move |payload: String| {
        counted.add(&payload);
        async move { if payload == "bad" { Err("no such carrier") } else { Ok(()) } }
    });
    let running = Running::start(&consumer, topics.source());
    until(|| ends.finals() == 3).await;
    running.stop().await;
    assert_eq!(topics.committed().await, [Some(3)]);
    assert_eq!((effects.of("bad"), effects.of("tea")), (3, 1));
    let letters = topics.dead_letters().await;
    let reasons: Vec<_> = letters.iter().map(|letter| header(letter, REASON)).collect();
    assert_eq!(reasons, ["undecodable", "attempts_used_up"]);
    let letter = &letters[1];
    assert_eq!((letter.payload(), letter.key()), (Some(b"bad".as_slice()), Some(b"7".as_slice())));
    let at = format!("{}/0/1", topics.orders);
    for (name, value) in [
        ("tenant", "a"),
        (ID, &at),
        (ERROR, "no such carrier"),
        (ATTEMPTS, "3"),
        (CONSUMER, "shop.ship"),
        (PARKED_AT, &at),
    ] {
        assert_eq!(header(letter, name), value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_produced_again_runs_with_all_of_its_attempts() {
    let topics = Topics::with_partitions(1);
    let (effects, is_down) = (Effects::default(), Arc::new(AtomicBool::new(true)));
    let (counted, carrier) = (effects.clone(), Arc::clone(&is_down));
    let ends = Ends::default();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(2)));
    let consumer = builder.handler(move |payload: String| {
        let fails = counted.add(&payload) != 4 && carrier.load(Ordering::SeqCst);
        async move { if fails { Err("the carrier is down") } else { Ok(()) } }
    });
    topics.produce(&topics.orders, 0, None, b"tea", OwnedHeaders::new()).await;
    let running = Running::start(&consumer, topics.source());
    until(|| ends.finals() == 1).await;
    let letter = topics.dead_letters().await.remove(0);
    let headers = letter.headers().unwrap().clone();
    topics.produce(&topics.orders, 0, None, letter.payload().unwrap(), headers).await;
    // Its first attempt fails again, and the second does not.
    until(|| ends.finals() == 2).await;
    running.stop().await;
    assert_eq!((effects.of("tea"), topics.dead_letters().await.len()), (4, 1));
    assert_eq!(topics.committed().await, [Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_one_id_that_can_be_read_are_parked_and_say_so() {
    let topics = Topics::with_partitions(1);
    let given = |value: &'static str| Header { key: "message-id", value: Some(value) };
    for headers in [
        OwnedHeaders::new(),
        OwnedHeaders::new().insert(given("")),
        OwnedHeaders::new().insert(given("7")).insert(given("8")),
        OwnedHeaders::new().insert(given("7")),
    ] {
        topics.produce(&topics.orders, 0, None, b"tea", headers).await;
    }
    let (effects, ends) = (Effects::default(), Ends::default());
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(3)));
    let counted = effects.clone();
    let consumer = builder.handler(move |payload: String| {
        counted.add(&payload);
        async { Ok::<_, String>(()) }
    });
    let running = Running::start(&consumer, topics.source().id_header("message-id"));
    until(|| ends.finals() == 4).await;
    running.stop().await;
    assert_eq!(effects.of("tea"), 1);
    let letters = topics.dead_letters().await;
    let mut errors: Vec<_> = letters.iter().map(|letter| header(letter, ERROR)).collect();
    errors.sort();
    assert_eq!(errors.len(), 3);
    for (error, words) in errors.iter().zip(["`id_header`", "several headers", "is empty"]) {
        assert!(error.contains(words), "{errors:?}");
    }
    assert!(letters.iter().all(|letter| header(letter, REASON) == "invalid_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_dead_letter_is_refused_is_not_done_with() {
    let topics = Topics::on(Cluster::start(), 1);
    topics.publish(0, None, "order-7").await;
    let mut source = topics.started().await;
    let delivery = next(&mut source).await;
    topics.cluster.with(|mock| {
        let refusals = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE; 2];
        mock.request_errors(RDKafkaApiKey::Produce, &refusals);
    });
    let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
    for _ in 0..2 {
        let error = delivery.settle(&parked).await.unwrap_err();
        assert!(!error.is_taken_back(), "{error}");
    }
    tokio::time::sleep(secs(1)).await;
    assert_eq!(topics.committed().await, [None]);
    delivery.settle(&parked).await.unwrap();
    topics.until_committed(&[Some(1)]).await;
    assert_eq!(topics.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_can_never_produce_again_ends_the_source_and_says_why() {
    let topics = Topics::on(Cluster::start(), 1);
    topics.publish(0, None, "order-7").await;
    topics.cluster.with(|mock| {
        let refusal = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 5];
        mock.request_errors(RDKafkaApiKey::InitProducerId, &refusal);
    });
    let mut source = topics.started().await;
    let delivery = next(&mut source).await;
    let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
    delivery.settle(&parked).await.unwrap_err();
    let gone = tokio::time::timeout(secs(10), source.next(NonZeroUsize::MIN)).await.unwrap();
    let error = gone.map(drop).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Gone);
    assert!(error.to_string().contains("`IdempotentWrite`"), "{error}");
    assert_eq!(topics.committed().await, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_ten_megabytes_is_parked_whole() {
    let topics = Topics::with_partitions(1);
    let payload: Vec<u8> = (0..=255).cycle().take(10 << 20).collect();
    topics.produce(&topics.orders, 0, None, &payload, OwnedHeaders::new()).await;
    let mut source = topics.started().await;
    let delivery = next(&mut source).await;
    assert!(delivery.message().payload() == &payload, "the payload is another one");
    delivery.settle(&Verdict::parked(ParkReason::Permanent, "")).await.unwrap();
    let letters = topics.dead_letters().await;
    assert!(letters[0].payload() == Some(payload.as_slice()), "the dead letter is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_produced_twice_takes_effect_once() {
    let topics = Topics::with_partitions(2);
    for partition in 0..2 {
        topics.publish(partition, None, "order-7").await;
        topics.publish(partition, None, "order-7").await;
    }
    let (effects, engine) = (Effects::default(), engine());
    let running = Running::start(&counting(&engine, &effects), topics.source());
    topics.until_committed(&[Some(2), Some(2)]).await;
    running.stop().await;
    assert_eq!(effects.all(), [("order-7".to_owned(), 1)]);
}
