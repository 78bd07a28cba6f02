//! The source of Redis Streams when workers freeze, messages are trimmed away, and servers restart or fail over.

use std::num::NonZeroUsize;
use std::sync::Arc;

use idempotent_core::Idempotency;
use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::consumer::redis_streams::{REASON, RedisStreamSource, StartAt};
use idempotent_core::consumer::{
    Consumer, ConsumerError, DeliveryOutcome, ParkReason, Source, SourceErrorKind, Verdict,
};
use idempotent_servers::{Cluster, Data, Flavor, Redis, Sentinel, Server, require};
use idempotent_tests::{Log, millis, secs};

use crate::effects::{Effects, Ends, Running, counting, engine, until};
use crate::redis_server::{GROUP, MIN_IDLE, Streams, field, through_sentinels};

#[tokio::test]
async fn a_frozen_worker_whose_message_was_claimed_takes_nothing_back() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        server.publish("order-7", "tea").await;
        let (mut frozen, mut other) = (server.started().await, server.started().await);
        let late = frozen.next(NonZeroUsize::MIN).await.unwrap();
        let claimed = other.next(NonZeroUsize::MIN).await.unwrap();
        let owner = server.pending().await.remove(0).1;
        // It wakes up, and does what it had begun.
        late.keep_alive().await.unwrap();
        for verdict in [
            Verdict::Busy { after: secs(1) },
            Verdict::Retry { after: secs(9) },
            Verdict::GivenBack,
            Verdict::parked(ParkReason::Permanent, "it is no good"),
        ] {
            late.settle(&verdict).await.unwrap();
        }
        assert!(server.dead_letters().await.is_empty(), "the other one's message was parked");
        let pending = server.pending().await.remove(0);
        assert_eq!((pending.1, pending.3), (owner, 2), "it was taken back");
        let delayed: usize = server.ask(&["EXISTS", "{orders}:warehouse:delayed"]).await;
        assert_eq!(delayed, 0, "the other one's message was delayed");
        claimed.settle(&Verdict::Completed).await.unwrap();
        assert!(server.pending().await.is_empty());
    }
}

#[tokio::test]
async fn a_delivery_that_came_again_to_the_same_worker_is_not_touched_by_the_one_before() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    server.publish("order-7", "tea").await;
    let mut source = server.started().await;
    let late = source.next(NonZeroUsize::MIN).await.unwrap();
    let again = source.next(NonZeroUsize::MIN).await.unwrap();
    assert_eq!(again.message().delivery_count(), Some(2));
    for verdict in [
        Verdict::Retry { after: secs(600) },
        Verdict::parked(ParkReason::Permanent, "it is no good"),
    ] {
        late.settle(&verdict).await.unwrap();
    }
    let delayed: usize = server.ask(&["EXISTS", "{orders}:warehouse:delayed"]).await;
    let pending = server.pending().await;
    assert_eq!((delayed, pending.len(), server.dead_letters().await.len()), (0, 1, 0));
    again.settle(&Verdict::Completed).await.unwrap();
    assert!(server.pending().await.is_empty());
}

#[tokio::test]
async fn a_frozen_worker_that_finishes_after_its_message_was_claimed_does_no_harm() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let (engine, effects, ends) = (engine(), Effects::default(), Ends::default());
    server.publish("order-7", "tea").await;
    // A worker takes it and does nothing, as one that is frozen.
    let mut frozen = server.started().await;
    let late = frozen.next(NonZeroUsize::MIN).await.unwrap();
    let seen = effects.clone();
    let consumer =
        ends.watch(Consumer::builder("shop.ship", &engine)).handler(move |it: String| {
            seen.add(&it);
            async { Ok::<_, String>(()) }
        });
    consumer.run(server.source(), server.until_settled(1)).await.unwrap();
    // It wakes up, and is told what every consumer is told that finds the message completed.
    late.settle(&Verdict::Completed).await.unwrap();
    assert_eq!((effects.of("tea"), server.pending().await.len()), (1, 0));
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test]
async fn a_late_acknowledgement_settles_the_message_for_whoever_has_it_and_nothing_runs_twice() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let (engine, effects, ends) = (engine(), Effects::default(), Ends::default());
    server.publish("order-7", "tea").await;
    let mut slow = server.started().await;
    let late = slow.next(NonZeroUsize::MIN).await.unwrap();
    let (seen, go_on) = (effects.clone(), Arc::new(tokio::sync::Notify::new()));
    let told = Arc::clone(&go_on);
    let builder = ends.watch(Consumer::builder("shop.ship", &engine));
    let consumer = builder.handler(move |it: String| {
        seen.add(&it);
        let told = Arc::clone(&told);
        async move {
            told.notified().await;
            Ok::<_, String>(())
        }
    });
    let running = Running::start(&consumer, server.source());
    until(|| effects.of("tea") == 1).await;
    late.settle(&Verdict::Completed).await.unwrap();
    assert!(server.pending().await.is_empty());
    // The one that has it keeps it alive, finishes, and acknowledges as well.
    tokio::time::sleep(MIN_IDLE).await;
    go_on.notify_one();
    until(|| ends.count(DeliveryOutcome::Executed) == 1).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), server.pending().await.len()), (1, 0));
}

#[tokio::test]
async fn a_pending_message_that_was_trimmed_away_is_reported_and_holds_nothing_up() {
    require!(Server::Redis, Server::Valkey91);
    let (log, _guard) = Log::listen();
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        let lost = server.publish("order-7", "tea").await;
        let mut dying = server.started().await;
        drop(dying.next(NonZeroUsize::MIN).await.unwrap());
        drop(dying);
        let trimmed: i64 = server.ask(&["XTRIM", "orders", "MAXLEN", "0"]).await;
        assert_eq!(trimmed, 1);
        server.publish("order-8", "milk").await;
        let (effects, engine) = (Effects::default(), engine());
        let consumer = counting(&engine, &effects);
        consumer.run(server.source(), server.until_settled(2)).await.unwrap();
        assert_eq!(effects.all(), [("milk".to_owned(), 1)]);
        let events = format!("{:?}", log.events("a message was trimmed away"));
        assert!(events.contains(&lost), "{events}");
    }
}

#[tokio::test]
async fn a_message_that_is_trimmed_away_in_hand_can_be_handled_and_parked() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        server.publish("order-7", "tea").await;
        server.publish("order-8", "milk").await;
        let mut source = server.started().await;
        let both = NonZeroUsize::new(2).unwrap();
        let (first, second) = (source.next(both).await.unwrap(), source.next(both).await.unwrap());
        let _: i64 = server.ask(&["XTRIM", "orders", "MAXLEN", "0"]).await;
        for delivery in [&first, &second] {
            delivery.keep_alive().await.unwrap();
        }
        first.settle(&Verdict::Completed).await.unwrap();
        second.settle(&Verdict::parked(ParkReason::Permanent, "it is no good")).await.unwrap();
        assert_eq!((server.dead_letters().await.len(), server.pending().await.len()), (1, 0));
    }
}

#[tokio::test]
async fn a_message_that_is_trimmed_away_in_hand_and_not_handled_is_parked() {
    require!(Server::Redis, Server::Valkey91);
    let (log, _guard) = Log::listen();
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        let mut source = server.started().await;
        let mut in_hand = Vec::new();
        for number in 0..4 {
            server.publish(format!("order-{number}").as_str(), "tea").await;
            in_hand.push(source.next(NonZeroUsize::MIN).await.unwrap());
        }
        let trimmed: i64 = server.ask(&["XTRIM", "orders", "MAXLEN", "0"]).await;
        assert_eq!(trimmed, 4);
        // Whether the server has said so before, when they were kept alive, or says so now.
        for delivery in &in_hand[2..] {
            delivery.keep_alive().await.unwrap();
        }
        for pair in in_hand.chunks(2) {
            pair[0].settle(&Verdict::Retry { after: secs(1) }).await.unwrap();
            pair[1].settle(&Verdict::GivenBack).await.unwrap();
        }
        let letters = server.dead_letters().await;
        let reasons: Vec<_> = letters.iter().map(|letter| field(letter, REASON)).collect();
        assert_eq!(reasons, ["trimmed"; 4]);
        let payloads = letters.iter().map(|letter| field(letter, "payload"));
        assert!(payloads.into_iter().all(|payload| payload == "tea"));
    }
    assert_eq!(log.events("and is parked").len(), 8);
}

#[tokio::test]
async fn a_group_that_is_gone_is_not_made_again_if_old_messages_would_run_again() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let (effects, engine) = (Effects::default(), engine());
    let seen = effects.clone();
    let consumer =
        Consumer::builder("shop.ship", &engine).ttl(secs(2)).handler(move |it: String| {
            seen.add(&it);
            async { Ok::<_, String>(()) }
        });
    let running = Running::start(&consumer, server.source());
    server.publish("order-7", "tea").await;
    until(|| effects.of("tea") == 1).await;
    server.until_settled(1).await;
    tokio::time::sleep(secs(4)).await;
    let _: i64 = server.ask(&["XGROUP", "DESTROY", "orders", GROUP]).await;
    let ended = tokio::time::timeout(secs(60), running.ended()).await.expect("it notices");
    match ended {
        Err(ConsumerError::Source(error)) => {
            assert_eq!(error.kind(), SourceErrorKind::Gone);
            assert!(error.to_string().contains("`ttl`"), "{error}");
        }
        ended => panic!("{ended:?}"),
    }
    assert_eq!(effects.of("tea"), 1, "it ran again");
}

#[tokio::test]
async fn a_group_that_is_deleted_ends_the_run() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        let (effects, engine) = (Effects::default(), engine());
        let _: () = server.ask(&["XGROUP", "CREATE", "orders", GROUP, "0", "MKSTREAM"]).await;
        let source = RedisStreamSource::new(&server.store, "orders", GROUP).dead_letters("dead");
        let running = Running::start(&counting(&engine, &effects), source);
        server.publish("order-7", "tea").await;
        until(|| effects.of("tea") == 1).await;
        let _: i64 = server.ask(&["XGROUP", "DESTROY", "orders", GROUP]).await;
        let ended = tokio::time::timeout(secs(60), running.ended()).await.expect("it notices");
        match ended {
            Err(ConsumerError::Source(error)) => assert_eq!(error.kind(), SourceErrorKind::Gone),
            ended => panic!("{ended:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_deleted_and_made_anew_is_read_on() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Streams::start(flavor).await;
        let (effects, engine) = (Effects::default(), engine());
        let running = Running::start(&counting(&engine, &effects), server.source());
        server.publish("order-7", "tea").await;
        until(|| effects.of("tea") == 1).await;
        let _: i64 = server.ask(&["DEL", "orders"]).await;
        server.publish("order-8", "milk").await;
        until(|| effects.of("milk") == 1).await;
        server.until_settled(1).await;
        running.stop().await.unwrap();
        assert!(server.dead_letters().await.is_empty());
    }
}

async fn restarted(data: Data, builder: idempotent_servers::RedisBuilder) -> (Streams, Effects) {
    let redis = Arc::new(builder.start().await);
    let server = Streams::on(Arc::clone(&redis), "", MIN_IDLE).await;
    let (effects, engine) = (Effects::default(), engine());
    let running = Running::start(&counting(&engine, &effects), server.source());
    for number in 0..50 {
        if number == 25 {
            // What is lost with the server is its own affair.
            until(|| effects.all().len() == 25).await;
            redis.restart(data).await;
        }
        let order = format!("order-{number}");
        until_published(&server, &order).await;
    }
    until(|| effects.all().len() == 50).await;
    running.stop().await.unwrap();
    (server, effects)
}

/// A producer that tries again, as one does that was not told.
async fn until_published(server: &Streams, order: &str) {
    let publishing = async {
        while server.try_publish(order).await.is_err() {
            tokio::time::sleep(millis(20)).await;
        }
    };
    tokio::time::timeout(secs(60), publishing).await.expect("the server is back");
}

#[tokio::test]
async fn a_server_that_restarts_with_its_data_is_waited_for_and_nothing_runs_twice() {
    require!(Server::Redis);
    let (server, effects) = restarted(Data::Keep, Redis::builder().persistent_aof()).await;
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
    assert!(server.dead_letters().await.is_empty() && server.pending().await.is_empty());
}

#[tokio::test]
async fn a_server_that_restarts_without_its_data_is_read_on() {
    require!(Server::Redis);
    let (server, effects) = restarted(Data::Drop, Redis::builder()).await;
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
    assert!(server.dead_letters().await.is_empty() && server.pending().await.is_empty());
}

#[tokio::test]
async fn messages_in_a_cluster_are_handled_and_parked_in_whatever_slot() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = RedisStore::builder(RedisSource::cluster(cluster.urls()))
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    for (stream, dead) in [("{shop}:orders", "{shop}:dead"), ("orders", "dead")] {
        let at = cluster.urls()[cluster.master_of(stream).await].clone();
        let names = (stream.to_owned(), dead.to_owned());
        let server = Streams::with(store.clone(), &at, names).await;
        let effects = Effects::default();
        let seen = effects.clone();
        let consumer = Consumer::builder("shop.ship", &engine())
            .attempts(crate::effects::attempts(2))
            .handler(move |it: String| {
                seen.add(&it);
                async move { if it == "bad" { Err("it is no good") } else { Ok(()) } }
            });
        server.publish("order-7", "tea").await;
        server.publish("order-8", "bad").await;
        consumer.run(server.source(), server.until_settled(2)).await.unwrap();
        let expected = [("bad".to_owned(), 2), ("tea".to_owned(), 1)];
        assert_eq!(effects.all(), expected, "{stream}");
        let at = cluster.urls()[cluster.master_of(dead).await].clone();
        let names = (stream.to_owned(), dead.to_owned());
        let dead = Streams::with(store.clone(), &at, names).await;
        assert_eq!(dead.dead_letters().await.len(), 1, "{stream}");
    }
    let braces = RedisStreamSource::new(&store, "a}b", GROUP).dead_letters("dead");
    let mut braces = braces.create_group(StartAt::New);
    let error = braces.start(&idempotent_core::consumer::Needs::of("shop.ship")).await.unwrap_err();
    assert!(error.to_string().contains("needs a hash tag"), "{error}");
}

#[tokio::test]
async fn after_a_failover_the_new_primary_is_read() {
    require!(Server::Redis);
    let group = Sentinel::start(1, 3).await;
    let store = through_sentinels(group.sentinel_urls(), group.master_name()).await;
    let names = || ("orders".to_owned(), "dead".to_owned());
    let before = Streams::with(store.clone(), &group.master_url().await, names()).await;
    // The records are elsewhere, and survive.
    let records = Idempotency::new(idempotent_core::backends::MemoryStore::new());
    let effects = Effects::default();
    let running = Running::start(&counting(&records, &effects), before.source());
    for number in 0..10 {
        before.publish(format!("order-{number}").as_str(), &format!("order-{number}")).await;
    }
    until(|| effects.all().len() == 10).await;
    let old = group.kill_master().await;
    group.wait_for_failover(old).await;
    let after = Streams::with(store, &group.master_url().await, names()).await;
    // A producer that was not told adds again what it had added last.
    for number in 5..20 {
        after.publish(format!("order-{number}").as_str(), &format!("order-{number}")).await;
    }
    until(|| effects.all().len() == 20).await;
    running.stop().await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
}
