//! The source of Redis Streams on real servers: its contract, what is delivered, what is parked, what is refused.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::redis_streams::{
    ATTEMPTS, CONSUMER, ERROR, MESSAGE_ID, POSITION, REASON, RedisStreamSource, STREAM, StartAt,
};
use idempotent_core::consumer::{
    Attempts, Backoff, Consumer, DeliveryOutcome, Json, Needs, ParkReason, Source, SourceErrorKind,
    Verdict,
};
use idempotent_core::testing::sources::cases;
use idempotent_servers::{Flavor, Redis, Server, require};
use idempotent_tests::{Log, secs};

use crate::effects::{Effects, Ends, Running, attempts, counting, engine, until};
use crate::redis_server::{GROUP, ID, MIN_IDLE, Streams, field};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_redis_7_0() {
    require!(Server::Redis);
    run_contract(Flavor::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_valkey_8_1() {
    require!(Server::Valkey81);
    run_contract(Flavor::Valkey81).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_of_the_contract_passes_on_valkey_9_1() {
    require!(Server::Valkey91);
    run_contract(Flavor::Valkey91).await;
}

/// All cases at once, on one server with streams for each: most of their time is waiting. Their deadlines are long enough for
/// a machine that is busy.
async fn run_contract(flavor: Flavor) {
    let redis = Arc::new(Redis::builder().flavor(flavor).start().await);
    let mut running = tokio::task::JoinSet::new();
    for (number, case) in cases().into_iter().enumerate() {
        let redis = Arc::clone(&redis);
        running.spawn(async move {
            let subject = Streams::on(redis, &number.to_string(), secs(5)).await;
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    let failed: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// Why a source does not start.
async fn refused(mut source: RedisStreamSource) -> (SourceErrorKind, String) {
    let error = source.start(&Needs::of("shop.ship").attempts(8)).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn what_does_not_suit_is_said_at_the_start() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let source = |stream: &str| RedisStreamSource::new(&server.store, stream, GROUP);
    let (misconfigured, gone) = (SourceErrorKind::Misconfigured, SourceErrorKind::Gone);
    let expect = async |source, kind, words: &str| {
        let (found, text) = refused(source).await;
        assert!(found == kind && text.contains(words), "{found:?} {text:?} and not {words:?}");
    };
    expect(source("orders"), misconfigured, "nowhere to park").await;
    expect(source("orders").dead_letters("orders"), misconfigured, "in another stream").await;
    expect(source("").dead_letters("dead"), misconfigured, "must not be empty").await;
    expect(source("none").dead_letters("dead"), gone, "no group `warehouse`").await;
    let at_once = source("orders").dead_letters("dead").min_idle(secs(0));
    expect(at_once, misconfigured, "`min_idle` of zero").await;

    server.publish("order-7", "tea").await;
    expect(source("orders").dead_letters("dead"), gone, "with `create_group`").await;
    let _: () = server.ask(&["SET", "text", "tea"]).await;
    expect(source("text").dead_letters("dead"), misconfigured, "`text` is no stream").await;
    let created = source("text").dead_letters("dead").create_group(StartAt::New);
    expect(created, misconfigured, "`text` is no stream").await;
    expect(server.source().dead_letters("text"), misconfigured, "which is a string").await;

    let _: () = server.ask(&["SET", "{taken}:warehouse:delayed", "tea"]).await;
    let taken = source("taken").dead_letters("dead").create_group(StartAt::New);
    expect(taken, misconfigured, "the delayed messages cannot be in").await;

    let client = redis::Client::open(server.url()).unwrap();
    let existing = RedisStore::connect(client.get_connection_manager().await.unwrap()).await;
    let borrowed = RedisStreamSource::new(&existing.unwrap(), "orders", GROUP);
    expect(borrowed.dead_letters("dead"), misconfigured, "on an existing connection").await;
}

#[tokio::test]
async fn a_group_that_is_created_begins_where_it_is_told() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    server.publish("order-1", "tea").await;
    let mut new = RedisStreamSource::new(&server.store, &server.stream, "new")
        .create_group(StartAt::New)
        .id_field("order")
        .dead_letters("dead");
    new.start(&Needs::of("shop.bill")).await.unwrap();
    server.publish("order-2", "milk").await;
    let mut old = server.started().await;
    assert_eq!(new.next(NonZeroUsize::MIN).await.unwrap().message().id(), "order-2");
    assert_eq!(old.next(NonZeroUsize::MIN).await.unwrap().message().id(), "order-1");
}

#[tokio::test]
async fn an_entry_without_a_payload_is_the_object_of_its_fields() {
    require!(Server::Redis);
    #[derive(serde::Deserialize)]
    struct Order {
        item: String,
        quantity: String,
    }
    let server = Streams::start(Flavor::Redis).await;
    let effects = Effects::default();
    let seen = effects.clone();
    let consumer =
        Consumer::builder("shop.ship", &engine()).handler(move |Json(it): Json<Order>| {
            seen.add(&format!("{} {}", it.quantity, it.item));
            async { Ok::<_, String>(()) }
        });
    // The same order twice, traced differently.
    for traced in ["00-1", "00-2"] {
        let fields = [("item", "tea"), ("quantity", "2"), ("order", "7"), ("traceparent", traced)];
        server.add(&fields.map(|(name, value)| (name, value.as_bytes()))).await;
    }
    consumer.run(server.source(), server.until_settled(2)).await.unwrap();
    assert_eq!(effects.all(), [("2 tea".to_owned(), 1)]);
    assert!(server.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_parked_message_says_what_went_wrong_and_can_be_replayed_as_it_is() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let (is_down, effects) = (Arc::new(AtomicBool::new(true)), Effects::default());
    let (carrier, seen) = (Arc::clone(&is_down), effects.clone());
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(2)).handler(
        move |it: String| {
            seen.add(&it);
            let is_down = carrier.load(Ordering::SeqCst);
            async move { if is_down { Err("the carrier\nis down") } else { Ok(()) } }
        },
    );
    let entry = server.add(&[("payload", b"tea"), ("tenant", b"a"), ("order", b"order-7")]).await;
    consumer.run(server.source(), server.until_settled(1)).await.unwrap();
    let letters = server.dead_letters().await;
    let letter = &letters[0];
    assert_eq!(letters.len(), 1);
    let position = format!("orders/{entry}");
    for (name, value) in [
        ("payload", "tea"),
        ("tenant", "a"),
        (MESSAGE_ID, "order-7"),
        (REASON, "attempts_used_up"),
        (ERROR, "the carrier is down"),
        (ATTEMPTS, "2"),
        (CONSUMER, "shop.ship"),
        (STREAM, "orders"),
        (POSITION, &position),
    ] {
        assert_eq!(field(letter, name), value, "{name}");
    }

    is_down.store(false, Ordering::SeqCst);
    let fields: Vec<_> = letter.iter().map(|(name, it)| (name.as_str(), it.as_slice())).collect();
    server.add(&fields).await;
    consumer.run(server.source(), server.until_settled(2)).await.unwrap();
    assert_eq!((effects.of("tea"), server.dead_letters().await.len()), (3, 1));
}

#[tokio::test]
async fn an_entry_that_its_producer_numbers_is_parked_unless_it_has_an_id() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let (effects, engine) = (Effects::default(), engine());
    let _: String = server.ask(&["XADD", "orders", "5-1", "payload", "tea"]).await;
    let _: String = server.ask(&["XADD", "orders", "5-2", "payload", "milk", "order", "7"]).await;
    let _: String = server.ask(&["XADD", "orders", "5-3", "payload", "tea"]).await;
    let (log, _guard) = Log::listen();
    let consumer = counting(&engine, &effects);
    consumer.run(server.source(), server.until_settled(3)).await.unwrap();
    assert_eq!(effects.all(), [("milk".to_owned(), 1)]);
    let letters = server.dead_letters().await;
    assert_eq!((letters.len(), field(&letters[0], REASON)), (2, "invalid_key"));
    let error = field(&letters[0], ERROR);
    assert!(error.contains("`id_field`"), "{error}");
    let said = log.events("cannot be told from others: it has no id");
    assert_eq!(said.len(), 1, "once: {said:?}");
}

#[tokio::test]
async fn a_message_that_comes_after_a_long_silence_is_not_taken_for_an_old_one() {
    require!(Server::Redis);
    let redis = Arc::new(Redis::builder().start().await);
    let min_idle = secs(4);
    let server = Streams::on(redis, "", min_idle).await;
    let (effects, engine, ends) = (Effects::default(), engine(), Ends::default());
    let seen = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine));
    let consumer = builder.handler(move |it: String| {
        seen.add(&it);
        async { Ok::<_, String>(()) }
    });
    let running = Running::start(&consumer, server.source().claim_every(secs(600)));
    tokio::time::sleep(min_idle * 3).await;
    server.publish("order-7", "tea").await;
    until(|| effects.of("tea") == 1).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test]
async fn a_parked_message_has_one_copy_however_often_the_server_is_told() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    server.publish("order-7", "tea").await;
    let mut source = server.started().await;
    let delivery = source.next(NonZeroUsize::MIN).await.unwrap();
    for _ in 0..3 {
        let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
        delivery.settle(&parked).await.unwrap();
    }
    assert_eq!((server.dead_letters().await.len(), server.pending().await.len()), (1, 0));
}

#[tokio::test]
async fn a_message_that_cannot_be_copied_is_not_settled() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    server.publish("order-7", "tea").await;
    let mut source = server.started().await;
    let _: () = server.ask(&["SET", "dead", "something else"]).await;
    let delivery = source.next(NonZeroUsize::MIN).await.unwrap();
    let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
    delivery.settle(&parked).await.unwrap_err();
    assert_eq!(server.pending().await.len(), 1, "it is lost");
    let _: i64 = server.ask(&["DEL", "dead"]).await;
    delivery.settle(&parked).await.unwrap();
    assert_eq!((server.dead_letters().await.len(), server.pending().await.len()), (1, 0));
}

#[tokio::test]
async fn a_message_with_more_fields_than_a_script_takes_is_parked() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let names: Vec<_> = (0..3000).map(|number| format!("field-{number}")).collect();
    let mut fields: Vec<_> = names.iter().map(|name| (name.as_str(), b"1".as_slice())).collect();
    fields.extend([("payload", b"tea".as_slice()), (ID, b"order-7")]);
    server.add(&fields).await;
    let mut source = server.started().await;
    let late = source.next(NonZeroUsize::MIN).await.unwrap();
    let delivery = source.next(NonZeroUsize::MIN).await.unwrap();
    let parked = Verdict::parked(ParkReason::Permanent, "it is no good");
    // It was delivered again meanwhile.
    late.settle(&parked).await.unwrap();
    assert_eq!((server.dead_letters().await.len(), server.pending().await.len()), (0, 1));
    delivery.settle(&parked).await.unwrap();
    delivery.settle(&parked).await.unwrap();
    let letters = server.dead_letters().await;
    assert_eq!((letters.len(), letters[0].len()), (1, 3009));
    assert!(server.pending().await.is_empty());
}

#[tokio::test]
async fn a_pause_longer_than_the_idle_time_outlives_the_worker_that_asked_for_it() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        server.publish("order-7", "tea").await;
        let mut failing = server.started().await;
        let delivery = failing.next(NonZeroUsize::MIN).await.unwrap();
        delivery.settle(&Verdict::Retry { after: secs(600) }).await.unwrap();
        drop((failing, delivery));
        let mut other = server.started().await;
        let early = tokio::time::timeout(MIN_IDLE * 4, other.next(NonZeroUsize::MIN)).await;
        assert!(early.is_err(), "it came before its pause was over");
        // It was looked at meanwhile, and that was no delivery.
        let pending = server.pending().await;
        assert_eq!((pending.len(), pending[0].3), (1, 1), "{pending:?}");
        // Once the pause is over it comes, and nothing is left of it.
        let delayed = "{orders}:warehouse:delayed";
        let _: i64 = server.ask(&["ZADD", delayed, "1", &pending[0].0]).await;
        let delivery = other.next(NonZeroUsize::MIN).await.unwrap();
        assert_eq!(delivery.message().delivery_count(), Some(2));
        let left: usize = server.ask(&["EXISTS", delayed]).await;
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn messages_that_wait_for_their_next_attempt_do_not_hold_the_others_up() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let effects = Effects::default();
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine())
        .concurrency(4)
        .attempts(Attempts::max(5).backoff(Backoff::constant(secs(600))))
        .handler(move |it: String| {
            seen.add(&it);
            async move { if it.starts_with("bad") { Err("it is no good") } else { Ok(()) } }
        });
    for number in 0..100 {
        server.publish(format!("bad-{number}").as_str(), &format!("bad-{number}")).await;
    }
    server.publish("order-7", "good").await;
    let running = Running::start(&consumer, server.source());
    until(|| effects.of("good") == 1).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn new_messages_get_their_turn_while_many_are_claimed() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let mut dying = server.started().await;
    for number in 0..200 {
        server.publish(format!("old-{number}").as_str(), "old").await;
    }
    let all = NonZeroUsize::new(200).unwrap();
    drop(dying.next(all).await.unwrap());
    drop(dying);
    server.publish("order-7", "new").await;
    tokio::time::sleep(MIN_IDLE * 2).await;
    let mut source = server.started().await;
    let mut before = 0;
    while source.next(NonZeroUsize::MIN).await.unwrap().message().id() != "order-7" {
        before += 1;
    }
    assert!(before <= 2, "{before} old messages came first");
}

#[tokio::test]
async fn a_worker_that_stops_leaves_the_group_unless_messages_are_pending_for_it() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        let mut first = server.started().await;
        server.publish("order-7", "tea").await;
        let delivery = first.next(NonZeroUsize::MIN).await.unwrap();
        first.stop().await.unwrap();
        assert_eq!((server.members().await, server.pending().await.len()), (1, 1));
        delivery.settle(&Verdict::Completed).await.unwrap();
        assert_eq!(server.members().await, 0);
        let (effects, engine) = (Effects::default(), engine());
        let running = Running::start(&counting(&engine, &effects), server.source());
        server.publish("order-8", "milk").await;
        until(|| effects.of("milk") == 1).await;
        running.stop().await.unwrap();
        assert_eq!((server.members().await, server.pending().await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_message_that_is_read_while_a_worker_stops_is_given_back_at_once() {
    require!(Server::Redis);
    let server = Streams::on(Arc::new(Redis::start().await), "", secs(600)).await;
    let mut stopping = server.started().await;
    let waiting = tokio::time::timeout(MIN_IDLE / 4, stopping.next(NonZeroUsize::MIN)).await;
    assert!(waiting.is_err(), "there is none yet");
    // The server still has the request, and answers it.
    server.publish("order-7", "tea").await;
    stopping.stop().await.unwrap();
    let mut other = server.started().await;
    let delivery = tokio::time::timeout(secs(60), other.next(NonZeroUsize::MIN)).await;
    assert_eq!(delivery.expect("it comes at once").unwrap().message().id(), "order-7");
}

#[tokio::test]
async fn the_messages_that_are_left_are_told() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    for number in 0..5 {
        server.publish(format!("order-{number}").as_str(), "tea").await;
    }
    let mut source = server.started().await;
    let first = source.next(NonZeroUsize::MIN).await.unwrap();
    assert_eq!(first.message().behind(), Some(5));
}
