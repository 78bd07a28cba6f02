//! Copies that wait for their next delivery.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use idempotent_core::consumer::{Consumer, Message, Needs, Source, Verdict};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_rabbitmq::lapin::BasicProperties;
use idempotent_rabbitmq::lapin::options::QueueDeclareOptions;
use idempotent_rabbitmq::lapin::types::{AMQPValue, FieldTable};
use idempotent_servers::{Server, require};

use crate::broker::{Brokered, CLASSIC, QUORUM, connect, header, identified, next, text};
use crate::effects::{Effects, Running, attempts, engine, millis, secs, until};

/// An order with these headers.
fn with_headers(headers: impl IntoIterator<Item = (&'static str, AMQPValue)>) -> BasicProperties {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        table.insert(name.into(), value);
    }
    identified("order-7").with_headers(table)
}

/// Retries the message once, at once, and returns what comes then.
async fn retried(source: &mut RabbitMqSource) -> idempotent_core::consumer::Delivery {
    next(source).await.settle(&Verdict::Retry { after: millis(100) }).await.unwrap();
    next(source).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_comes_again_as_it_was() {
    require!(Server::RabbitMq);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        let (seen, effects) = (Arc::new(Mutex::new(Vec::new())), Effects::default());
        let (noted, counted) = (Arc::clone(&seen), effects.clone());
        let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(5)).handler(
            move |payload: String, message: Message| {
                let parts =
                    ["tenant", "content-type"].map(|name| message.header(name).map(str::to_owned));
                let headers = message.headers().count();
                let at = (
                    message.id().to_owned(),
                    message.topic().to_owned(),
                    message.position().to_owned(),
                );
                noted.lock().unwrap().push((at, parts, headers));
                let fails = counted.add(&payload) < 3;
                async move { if fails { Err("the carrier is down") } else { Ok(()) } }
            },
        );
        let properties =
            with_headers([("tenant", text("a"))]).with_content_type("text/plain".into());
        brokered.publish_with(properties, "tea").await;
        let running = Running::start(&consumer, brokered.source());
        until(|| effects.of("tea") == 3).await;
        running.stop().await;
        let seen = seen.lock().unwrap();
        assert!(seen.iter().all(|it| *it == seen[0]), "{seen:?}");
        let (_, parts, headers) = &seen[0];
        assert_eq!((parts, *headers), (&[Some("a".to_owned()), Some("text/plain".to_owned())], 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_its_queue_has_dropped_before_is_not_taken_for_one_that_goes_round_in_circles()
 {
    require!(Server::RabbitMq);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        // As an operator moves it back that the queue had let expire.
        let mut death = FieldTable::default();
        for (name, value) in
            [("queue", brokered.queue.as_str()), ("reason", "expired"), ("exchange", "")]
        {
            death.insert(name.into(), text(value));
        }
        death.insert("count".into(), AMQPValue::LongLongInt(1));
        let deaths = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into());
        brokered.publish_with(with_headers([("x-death", deaths)]), "tea").await;
        let mut source = brokered.started().await;
        assert_eq!(retried(&mut source).await.message().id(), "order-7");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_goes_to_no_queue_that_the_message_was_also_sent_to() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let other = format!("{}.audit", brokered.queue);
    brokered.declare(&other, CLASSIC).await;
    let also = AMQPValue::FieldArray(vec![text(&other)].into());
    brokered.publish_with(with_headers([("CC", also)]), "tea").await;
    let mut source = brokered.started().await;
    let delivery = retried(&mut source).await;
    delivery
        .settle(&Verdict::parked(idempotent_core::consumer::ParkReason::Permanent, ""))
        .await
        .unwrap();
    assert_eq!(brokered.messages_in(&other).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_expires_waits_for_its_whole_pause() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let mut source = brokered.started().await;
    let (first, ()) = tokio::join!(next(&mut source), async {
        let properties = identified("order-7").with_expiration("5000".into());
        brokered.publish_with(properties, "tea").await;
    });
    let told = Instant::now();
    first.settle(&Verdict::Retry { after: secs(8) }).await.unwrap();
    next(&mut source).await;
    assert!(told.elapsed() >= millis(7500), "it came after {:?}", told.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_ten_megabytes_comes_again_whole() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let payload: Vec<u8> = (0..=255).cycle().take(10 << 20).collect();
    brokered.publish_to(&brokered.queue, identified("order-7"), &payload).await;
    let mut source = brokered.started().await;
    let delivery = retried(&mut source).await;
    assert!(delivery.message().payload() == &payload, "the payload is another one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_queue_that_was_deleted_is_declared_anew() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    brokered.publish("order-7", "tea").await;
    let mut source = brokered.started().await;
    let second = retried(&mut source).await;
    brokered.delete(&format!("{}.delay.250ms", brokered.queue)).await;
    second.settle(&Verdict::Retry { after: millis(100) }).await.unwrap();
    assert_eq!(next(&mut source).await.message().id(), "order-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn delay_queues_of_ones_own_are_used() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    let (_connection, channel) = connect(&brokered.server.url()).await;
    let wait = format!("{}.wait", brokered.queue);
    let mut arguments = FieldTable::default();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(300));
    arguments.insert("x-dead-letter-exchange".into(), text(""));
    arguments.insert("x-dead-letter-routing-key".into(), text(&brokered.queue));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(wait.as_str().into(), durable, arguments).await.unwrap();
    brokered.publish("order-7", "tea").await;
    let mut source = brokered.source().delay_queues([(millis(300), wait)]);
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let delivery = next(&mut source).await;
    let told = Instant::now();
    // The longest that there is.
    delivery.settle(&Verdict::Retry { after: secs(600) }).await.unwrap();
    next(&mut source).await;
    assert!(told.elapsed() >= millis(290));
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = format!("{}.delay.4000ms", brokered.queue);
    let found = channel.queue_declare(name.into(), passive, FieldTable::default()).await;
    assert!(found.is_err(), "a queue was declared");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_persistent_whatever_its_message_was() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    brokered.publish_with(identified("order-7").with_delivery_mode(1), "tea").await;
    let mut source = brokered.started().await;
    let delivery = next(&mut source).await;
    delivery.settle(&Verdict::Retry { after: secs(3600) }).await.unwrap();
    let waiting = brokered.messages_in(&format!("{}.delay.4096000ms", brokered.queue)).await;
    assert_eq!((waiting.len(), waiting[0].0.delivery_mode()), (1, &Some(2)));
    assert_eq!(header(&waiting[0].0, idempotent_rabbitmq::DELIVERIES), "1");
}
