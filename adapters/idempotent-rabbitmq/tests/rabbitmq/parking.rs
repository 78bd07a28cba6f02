//! Dead letters.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use idempotent_core::consumer::{Consumer, Message, Needs, ParkReason, Source, Verdict};
use idempotent_rabbitmq::lapin::ExchangeKind;
use idempotent_rabbitmq::lapin::options::{ExchangeDeclareOptions, QueueBindOptions};
use idempotent_rabbitmq::lapin::types::FieldTable;
use idempotent_rabbitmq::lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use idempotent_rabbitmq::{ATTEMPTS, CONSUMER, ERROR, GENERATION, QUEUE, REASON, RabbitMqSource};
use idempotent_servers::{Server, TcpProxy, require};
use tokio::task::JoinSet;

use crate::broker::{Brokered, CLASSIC, QUORUM, connect, header, identified, next, text};
use crate::effects::{Effects, Running, attempts, counting, engine, millis, secs, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_for_good_is_parked_and_says_why() {
    require!(Server::RabbitMq);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        let (effects, seen) = (Effects::default(), Effects::default());
        let counted = effects.clone();
        let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(3)).handler(
            move |payload: String| {
                counted.add(&payload);
                seen.add(&payload);
                async { Err::<(), _>("the carrier is down") }
            },
        );
        let mut headers = FieldTable::default();
        headers.insert("tenant".into(), text("a"));
        brokered.publish_with(identified("order-7").with_headers(headers), "tea").await;
        let running = Running::start(&consumer, brokered.source());
        let letters = brokered.until_dead(1).await;
        running.stop().await;
        let (properties, payload) = &letters[0];
        assert_eq!((letters.len(), payload.as_slice()), (1, b"tea".as_slice()));
        assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "order-7");
        for (name, value) in [
            ("tenant", "a"),
            (REASON, "attempts_used_up"),
            (ERROR, "the carrier is down"),
            (ATTEMPTS, "3"),
            (CONSUMER, "shop.ship"),
            (QUEUE, brokered.queue.as_str()),
            (GENERATION, "1"),
        ] {
            assert_eq!(header(properties, name), value, "{name}");
        }
        assert_eq!((effects.of("tea"), brokered.ready().await), (3, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_moved_back_runs_with_all_of_its_attempts() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let (effects, is_down) = (Effects::default(), Arc::new(AtomicBool::new(true)));
    let (counted, carrier) = (effects.clone(), Arc::clone(&is_down));
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(2)).handler(
        move |payload: String| {
            let fails = counted.add(&payload) != 4 && carrier.load(Ordering::SeqCst);
            async move { if fails { Err("the carrier is down") } else { Ok(()) } }
        },
    );
    brokered.publish("order-7", "tea").await;
    let running = Running::start(&consumer, brokered.source());
    let letters = brokered.until_dead(1).await;
    assert_eq!(effects.of("tea"), 2);
    let (properties, payload) = letters.into_iter().next().unwrap();
    brokered.publish_to(&brokered.queue, properties, &payload).await;
    // Its first attempt fails again, and the second does not.
    until(|| effects.of("tea") == 4).await;
    running.stop().await;
    assert_eq!((brokered.ready().await, brokered.dead_letters().await.len()), (0, 1));
}

/// Declares an exchange that no queue is bound to.
async fn unbound(brokered: &Brokered, channel: &Channel) -> String {
    let exchange = format!("{}.parking", brokered.queue);
    let (kind, options) = (ExchangeKind::Direct, ExchangeDeclareOptions::default());
    let name = exchange.as_str().into();
    channel.exchange_declare(name, kind, options, FieldTable::default()).await.unwrap();
    exchange
}

#[tokio::test(flavor = "multi_thread")]
async fn of_copies_that_are_published_at_once_those_fail_that_no_queue_takes() {
    require!(Server::RabbitMq);
    const MESSAGES: usize = 64;
    let brokered = Brokered::start(CLASSIC).await;
    let (_connection, channel) = connect(&brokered.server.url()).await;
    let exchange = unbound(&brokered, &channel).await;
    for number in 0..MESSAGES {
        brokered.publish(&format!("order-{number}"), "tea").await;
    }
    let mut source = brokered.source().dead_letters_by(exchange, "orders");
    source.start(&Needs::of("shop.ship").concurrency(MESSAGES)).await.unwrap();
    let mut deliveries = Vec::new();
    for number in 0..MESSAGES {
        let room = NonZeroUsize::new(MESSAGES - number).unwrap();
        deliveries.push(source.next(room).await.unwrap());
    }
    let mut settling = JoinSet::new();
    for (number, delivery) in deliveries.into_iter().enumerate() {
        let has_queue = number % 2 == 0;
        let verdict = match has_queue {
            true => Verdict::Retry { after: secs(3600) },
            false => Verdict::parked(ParkReason::Permanent, "it is no good"),
        };
        settling.spawn(async move {
            loop {
                match delivery.settle(&verdict).await {
                    // A quorum queue refuses what comes before it has a leader, and a slow machine confirms late.
                    Err(error) if !error.to_string().contains("no queue takes the copy") => {
                        tokio::time::sleep(millis(50)).await;
                    }
                    settled => return (has_queue, settled, delivery),
                }
            }
        });
    }
    for (has_queue, settled, _) in settling.join_all().await {
        match settled {
            Ok(()) => assert!(has_queue, "a message is lost"),
            Err(error) => assert!(!has_queue, "{error}"),
        }
    }
    let waiting = brokered.messages_in(&format!("{}.delay.4096000ms", brokered.queue)).await;
    assert!(waiting.len() >= MESSAGES / 2, "{} wait", waiting.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_no_queue_takes_leaves_its_message() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let (_connection, channel) = connect(&brokered.server.url()).await;
    let exchange = unbound(&brokered, &channel).await;
    let name = || exchange.as_str().into();
    brokered.publish("order-7", "tea").await;
    let mut source = brokered.source().dead_letters_by(exchange.as_str(), "orders");
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let delivery = next(&mut source).await;
    let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
    let error = delivery.settle(&parked).await.unwrap_err();
    assert!(error.to_string().contains("no queue takes the copy"), "{error}");
    let (dead, bound) = (brokered.dead(), QueueBindOptions::default());
    let bind =
        channel.queue_bind(dead.into(), name(), "orders".into(), bound, FieldTable::default());
    bind.await.unwrap();
    delivery.settle(&parked).await.unwrap();
    assert_eq!(brokered.dead_letters().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_id_is_parked_and_says_what_to_set() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    let effects = Effects::default();
    brokered.publish_with(BasicProperties::default(), "tea").await;
    let running = Running::start(&counting(&engine(), &effects), brokered.source());
    let letters = brokered.until_dead(1).await;
    running.stop().await;
    let (properties, _) = &letters[0];
    assert_eq!(header(properties, REASON), "invalid_key");
    let error = header(properties, ERROR);
    assert!(error.contains("`message-id`") && error.contains("`id_header`"), "{error}");
    assert!(effects.all().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_may_be_in_a_header_or_in_what_the_consumer_takes_for_its_key() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    let effects = Effects::default();
    let order = || {
        let mut headers = FieldTable::default();
        headers.insert("order".into(), text("7"));
        BasicProperties::default().with_headers(headers)
    };
    brokered.publish_with(order(), "tea").await;
    brokered.publish_with(order(), "tea").await;
    let engine = engine();
    let source = brokered.source().id_header("order");
    let running = Running::start(&counting(&engine, &effects), source);
    until(|| effects.of("tea") == 1).await;
    running.stop().await;
    let (counted, settled) = (effects.clone(), Arc::new(AtomicU32::new(0)));
    let seen = Arc::clone(&settled);
    let consumer = Consumer::builder("shop.audit", &engine)
        .key(|message: &Message| message.header("order").map(str::to_owned))
        .on_settled(move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
        })
        .handler(move |payload: String| {
            counted.add(&payload);
            async { Ok::<_, String>(()) }
        });
    brokered.publish_with(order(), "tea").await;
    brokered.publish_with(order(), "tea").await;
    let running = Running::start(&consumer, brokered.source());
    until(|| settled.load(Ordering::SeqCst) >= 2).await;
    running.stop().await;
    assert_eq!((effects.of("tea"), brokered.dead_letters().await.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_settlement_that_is_lost_after_the_copy_makes_one_more_copy_under_the_same_id() {
    require!(Server::RabbitMq);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        let proxy = TcpProxy::start(brokered.server.address()).await;
        let through_proxy = format!("amqp://guest:guest@{}/%2f", proxy.address());
        let (direct, connections) = (brokered.server.url(), Arc::new(AtomicU32::new(0)));
        // Deliveries and their acknowledgements go through the proxy; copies do not.
        let connect = move || {
            let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
            let url = if first { through_proxy.clone() } else { direct.clone() };
            async move { Connection::connect(&url, ConnectionProperties::default()).await }
        };
        let source = RabbitMqSource::connecting(connect, brokered.queue.as_str());
        let mut source = source.dead_letters(brokered.dead()).deadline(secs(2));
        source.start(&Needs::of("shop.ship")).await.unwrap();
        brokered.publish("order-7", "tea").await;
        let delivery = next(&mut source).await;
        proxy.stall();
        let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
        // The client has sent the acknowledgement, as far as it knows.
        delivery.settle(&parked).await.unwrap();
        proxy.cut();
        let again = next(&mut source).await;
        again.settle(&parked).await.unwrap();
        let letters = brokered.dead_letters().await;
        let ids = letters.iter().map(|(properties, _)| properties.message_id().clone().unwrap());
        assert_eq!(ids.map(|id| id.to_string()).collect::<Vec<_>>(), ["order-7", "order-7"]);
        assert_eq!(brokered.ready().await, 0);
    }
}
