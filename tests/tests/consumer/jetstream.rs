//! The source of `JetStream` on real servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream;
use idempotent_core::consumer::jetstream::{
    ATTEMPTS, CONSUMER, ERROR, JetStreamSource, MESSAGE_ID, POSITION, REASON, SUBJECT,
};
use idempotent_core::consumer::{
    Consumer, ConsumerError, DeliveryOutcome, Needs, Source, SourceErrorKind, Verdict,
};
use idempotent_core::testing::sources::cases;
use idempotent_servers::{Nats, Server, require};
use idempotent_tests::secs;

use crate::effects::{Effects, Ends, Running, attempts, counting, engine, until};
use crate::nats_server::{Brokered, billing, context, header};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_2_9() {
    require!(Server::Nats);
    run_contract(Server::Nats).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_2_15() {
    require!(Server::Nats215);
    run_contract(Server::Nats215).await;
}

/// All cases at once, on one server with streams for each: most of their time is waiting.
async fn run_contract(version: Server) {
    let nats = Arc::new(Nats::start_version(version).await);
    let mut running = tokio::task::JoinSet::new();
    for (number, case) in cases().into_iter().enumerate() {
        let nats = Arc::clone(&nats);
        let config = pull::Config { ack_wait: secs(5), ..billing() };
        running.spawn(async move {
            let subject = Brokered::on(nats, number.to_string(), config).await;
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Why a source does not start.
async fn refused(mut source: JetStreamSource) -> (SourceErrorKind, String) {
    let error = source.start(&Needs::of("shop.ship").attempts(8)).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn what_does_not_suit_is_said_at_the_start() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let source = |stream: &str, consumer: &str| {
        JetStreamSource::new(server.context.clone(), stream, consumer).dead_letters("dead.orders")
    };
    let (misconfigured, gone) = (SourceErrorKind::Misconfigured, SourceErrorKind::Gone);
    let expect = async |source, kind, words: &str| {
        let (found, text) = refused(source).await;
        assert!(found == kind && text.contains(words), "{found:?} {text:?} and not {words:?}");
    };
    expect(source("NONE", "billing"), gone, "no stream `NONE`").await;
    expect(source("ORDERS", "none"), gone, "no consumer `none`").await;
    let without = JetStreamSource::new(server.context.clone(), "ORDERS", "billing");
    expect(without, misconfigured, "nowhere to park").await;
    let nowhere = server.source().dead_letters("nowhere.at.all");
    expect(nowhere, misconfigured, "no stream takes").await;
    let own = server.source().dead_letters("orders.dead");
    expect(own, misconfigured, "drop parked messages as duplicates").await;
    let deaf = stream::Config {
        name: "DEAF".to_owned(),
        subjects: vec!["deaf.orders".to_owned()],
        no_ack: true,
        ..stream::Config::default()
    };
    server.context.create_stream(deaf).await.unwrap();
    expect(server.source().dead_letters("deaf.orders"), misconfigured, "has `no_ack`").await;

    let orders = server.stream("ORDERS").await;
    let named = |name: &str| pull::Config { durable_name: Some(name.to_owned()), ..billing() };
    for (name, config, words) in [
        ("drops", pull::Config { max_deliver: 25, ..named("drops") }, "set it to -1"),
        ("soon", pull::Config { max_deliver: 999_999, ..named("soon") }, "at least 1000000"),
        ("all", pull::Config { ack_policy: AckPolicy::All, ..named("all") }, "Explicit"),
        ("empty", pull::Config { headers_only: true, ..named("empty") }, "headers_only"),
    ] {
        orders.create_consumer(config).await.unwrap();
        expect(source("ORDERS", name), misconfigured, words).await;
    }
    orders
        .create_consumer(pull::Config { max_deliver: 1_000_000, ..named("enough") })
        .await
        .unwrap();
    source("ORDERS", "enough").start(&Needs::of("shop.ship").attempts(8)).await.unwrap();
    let push = async_nats::jetstream::consumer::push::Config {
        durable_name: Some("push".to_owned()),
        deliver_subject: "pushed".to_owned(),
        ..Default::default()
    };
    orders.create_consumer(push).await.unwrap();
    expect(source("ORDERS", "push"), misconfigured, "push consumer").await;
}

#[tokio::test]
async fn a_parked_message_says_what_went_wrong_and_where_it_was() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(attempts(2))
        .handler(|_: String| async { Err::<(), _>("the carrier\nis down") });
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "order-7");
    headers.insert("tenant", "a");
    headers.insert("Nats-Expected-Stream", "ORDERS");
    server.publish_with(headers, b"tea".to_vec()).await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    let letters = server.dead_letters().await;
    let (headers, payload) = &letters[0];
    assert_eq!((letters.len(), payload.as_slice()), (1, b"tea".as_slice()));
    for (name, value) in [
        ("Nats-Msg-Id", "order-7"),
        ("tenant", "a"),
        ("Nats-Expected-Stream", ""),
        (REASON, "attempts_used_up"),
        (ERROR, "the carrier is down"),
        (ATTEMPTS, "2"),
        (CONSUMER, "shop.ship"),
        (SUBJECT, "orders.placed"),
    ] {
        assert_eq!(header(headers, name), value, "{name}");
    }
    assert!(header(headers, POSITION).starts_with("ORDERS/"));
}

#[tokio::test]
async fn a_dead_letter_that_was_taken_away_and_fails_again_is_not_dropped_as_a_duplicate() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let (is_down, effects) = (Arc::new(AtomicBool::new(true)), Effects::default());
    let (carrier, seen) = (Arc::clone(&is_down), effects.clone());
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(1)).handler(
        move |it: String| {
            seen.add(&it);
            let is_down = carrier.load(Ordering::SeqCst);
            async move { if is_down { Err("the carrier is down") } else { Ok(()) } }
        },
    );
    server.publish("order-7", "tea").await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    // An operator takes it away and publishes it again. Its stream remembers the id, so the copy has it elsewhere.
    assert!(server.stream("DEAD").await.delete_message(1).await.unwrap());
    let mut headers = HeaderMap::new();
    headers.insert(MESSAGE_ID, "order-7");
    server.publish_with(headers.clone(), b"tea".to_vec()).await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    let letters = server.dead_letters().await;
    assert_eq!(letters.len(), 1, "the second dead letter was dropped");
    assert_eq!(header(&letters[0].0, MESSAGE_ID), "order-7");
    // And once more, with success.
    is_down.store(false, Ordering::SeqCst);
    server.publish_with(headers, b"tea".to_vec()).await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    assert_eq!(effects.of("tea"), 3);
}

#[tokio::test]
async fn a_dead_letter_as_large_as_the_server_allows_is_parked() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(attempts(1))
        .handler(|_: Vec<u8>| async { Err::<(), _>("it is no good") });
    let most = server.context.client().server_info().max_payload;
    server.publish(None, vec![b'x'; most]).await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    assert_eq!(server.dead_letters().await[0].1.len(), most);
}

#[tokio::test]
async fn messages_of_a_stream_that_was_made_anew_are_not_taken_for_the_old_ones() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let (engine, effects) = (engine(), Effects::default());
    let consumer = counting(&engine, &effects);
    server.publish(None, "tea").await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    server.context.delete_stream("ORDERS").await.unwrap();
    let config = stream::Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        ..Default::default()
    };
    let orders = server.context.create_stream(config).await.unwrap();
    orders.create_consumer(billing()).await.unwrap();
    server.publish(None, "milk").await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    assert_eq!(effects.all(), [("milk".to_owned(), 1), ("tea".to_owned(), 1)]);
    assert!(server.dead_letters().await.is_empty());
}

#[tokio::test]
async fn of_two_ids_the_first_counts_as_it_does_for_the_server() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let mut headers = HeaderMap::new();
    headers.append("Nats-Msg-Id", "first");
    headers.append("Nats-Msg-Id", "second");
    server.publish_with(headers, b"tea".to_vec()).await;
    let mut source = server.source();
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let delivery = source.next(std::num::NonZeroUsize::MIN).await.unwrap();
    assert_eq!(delivery.message().id(), "first");
}

#[tokio::test]
async fn a_consumer_that_is_deleted_ends_the_run() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let (effects, engine) = (Effects::default(), engine());
    let consumer = counting(&engine, &effects);
    let running = Running::start(&consumer, server.source());
    server.publish("order-7", "tea").await;
    until(|| effects.of("tea") == 1).await;
    server.stream("ORDERS").await.delete_consumer("billing").await.unwrap();
    let ended = tokio::time::timeout(secs(60), running.ended()).await.expect("it notices");
    match ended {
        Err(ConsumerError::Source(error)) => assert_eq!(error.kind(), SourceErrorKind::Gone),
        ended => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_server_that_restarts_is_waited_for_and_nothing_runs_twice() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let (effects, engine) = (Effects::default(), engine());
    let running = Running::start(&counting(&engine, &effects), server.source());
    for number in 0..50 {
        server.publish(format!("order-{number}").as_str(), format!("{number}")).await;
        if number == 25 {
            server.nats.restart().await;
        }
    }
    until(|| effects.all().len() == 50).await;
    server.until_settled().await;
    running.stop().await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
    assert!(server.dead_letters().await.is_empty());
}

#[tokio::test]
async fn delayed_messages_do_not_stop_the_others() {
    require!(Server::Nats);
    let config = pull::Config { max_ack_pending: 4, ..billing() };
    let server = Brokered::with_consumer(Server::Nats, config).await;
    let (effects, seen) = (Effects::default(), Effects::default());
    let counted = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(
            idempotent_core::consumer::Attempts::max(5)
                .backoff(idempotent_core::consumer::Backoff::constant(secs(600))),
        )
        .handler(move |it: String| {
            counted.add(&it);
            seen.add(&it);
            async move { if it.starts_with("bad") { Err("it is no good") } else { Ok(()) } }
        });
    // As many as may be pending, and each is to wait for ten minutes.
    for number in 0..4 {
        server.publish(format!("bad-{number}").as_str(), format!("bad-{number}")).await;
    }
    server.publish("order-7", "good").await;
    let running = Running::start(&consumer, server.source());
    until(|| effects.of("good") == 1).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_late_verdict_about_a_message_that_is_anothers_loses_nothing() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let (engine, effects, ends) = (engine(), Effects::default(), Ends::default());
    server.publish("order-7", "tea").await;
    // A worker takes it and does nothing, as one that is frozen.
    let mut frozen = server.source();
    frozen.start(&Needs::of("shop.ship")).await.unwrap();
    let late = frozen.next(std::num::NonZeroUsize::MIN).await.unwrap();
    let seen = effects.clone();
    let consumer =
        ends.watch(Consumer::builder("shop.ship", &engine)).handler(move |it: String| {
            seen.add(&it);
            async { Ok::<_, String>(()) }
        });
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    // It wakes up, and is told what every consumer is told that finds the message completed.
    late.settle(&Verdict::Completed).await.unwrap();
    assert_eq!((effects.of("tea"), server.open().await), (1, (0, 0)));
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test]
async fn a_consumer_keeps_messages_alive_at_a_third_of_the_backoff() {
    require!(Server::Nats);
    let config = pull::Config {
        backoff: vec![secs(6), secs(7)],
        ack_wait: secs(6),
        max_deliver: 1_000_000,
        ..billing()
    };
    let server = Brokered::with_consumer(Server::Nats, config).await;
    let (engine, effects) = (engine(), Effects::default());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine).handler(move |it: String| {
        seen.add(&it);
        async {
            tokio::time::sleep(secs(12)).await;
            Ok::<_, String>(())
        }
    });
    server.publish("order-7", "tea").await;
    let mut other = server.source();
    other.start(&Needs::of("shop.ship").attempts(8)).await.unwrap();
    let running = Running::start(&consumer, server.source());
    until(|| effects.of("tea") == 1).await;
    let redelivered = tokio::time::timeout(secs(10), other.next(std::num::NonZeroUsize::MIN)).await;
    assert!(redelivered.is_err(), "it was not kept alive");
    server.until_settled().await;
    running.stop().await.unwrap();
    assert_eq!(effects.of("tea"), 1);
}

#[tokio::test]
async fn a_client_on_one_thread_has_told_the_server_before_it_stops() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    for number in 0..5 {
        server.publish(format!("order-{number}").as_str(), format!("{number}")).await;
    }
    let url = server.nats.url();
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let source = JetStreamSource::new(context(&url).await, "ORDERS", "billing");
            let (effects, engine) = (Effects::default(), engine());
            let running =
                Running::start(&counting(&engine, &effects), source.dead_letters("dead.orders"));
            until(|| effects.all().len() == 5).await;
            running.stop().await.unwrap();
        });
        // The runtime is gone, and with it what the client had not sent.
    });
    tokio::task::spawn_blocking(move || done.join().unwrap()).await.unwrap();
    assert_eq!(server.open().await, (0, 0));
}

/// Why the dead letters need a stream of their own.
#[tokio::test]
async fn a_stream_drops_an_id_that_it_has_on_another_subject() {
    require!(Server::Nats, Server::Nats215);
    for version in [Server::Nats, Server::Nats215] {
        let server = Brokered::start(version).await;
        let mut duplicates = Vec::new();
        for subject in ["orders.placed", "orders.dead"] {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", "order-7");
            let published = server.context.publish_with_headers(subject, headers, "tea".into());
            duplicates.push(published.await.unwrap().await.unwrap().duplicate);
        }
        assert_eq!(duplicates, [false, true]);
    }
}

#[tokio::test]
async fn a_verdict_is_confirmed_by_both_servers_however_late_it_is() {
    require!(Server::Nats, Server::Nats215);
    for version in [Server::Nats, Server::Nats215] {
        let server = Brokered::start(version).await;
        server.publish("order-7", "tea").await;
        let mut source = server.source();
        source.start(&Needs::of("shop.ship")).await.unwrap();
        let first = source.next(std::num::NonZeroUsize::MIN).await.unwrap();
        let second = source.next(std::num::NonZeroUsize::MIN).await.unwrap();
        assert_eq!(second.message().delivery_count(), Some(2));
        first.settle(&Verdict::Completed).await.unwrap();
        second.settle(&Verdict::Completed).await.unwrap();
        assert_eq!(server.open().await, (0, 0));
    }
}
