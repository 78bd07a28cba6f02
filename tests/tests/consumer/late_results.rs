//! Results that are recorded after their lease: the store was away, and the worker that has them lives.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use idempotent_core::backends::{MemoryStore, RedisStore};
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Source};
use idempotent_core::store::StoreErrorKind;
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Guarantee, Idempotency};
use idempotent_servers::{Data, Redis, Server, require};
use idempotent_tests::{Log, millis, secs};
use tokio::sync::{AcquireError, Semaphore};

use crate::effects::{Effects, Ends, Running, attempts, until};
use crate::nats_server::{Brokered, billing};

type Store = FaultyStore<MemoryStore>;

const GUARANTEES: [Guarantee; 2] = [Guarantee::AtLeastOnce, Guarantee::AtMostOnce];

fn take_away(store: &Store) {
    for method in [
        StoreMethod::Reserve,
        StoreMethod::Complete,
        StoreMethod::Load,
        StoreMethod::Release,
        StoreMethod::Abandon,
        StoreMethod::Renew,
    ] {
        store.inject(method, When::Always, Fault::Fail);
    }
}

/// A consumer whose handler takes effect, loses its store, and goes on for a while.
fn losing_its_store(
    (store, guarantee): (&Store, Guarantee),
    (effects, ends): (&Effects, &Ends),
    runs_for: Duration,
) -> Consumer {
    let engine = Idempotency::builder(store.clone()).build();
    let (store, effects) = (store.clone(), effects.clone());
    let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(5));
    let builder = builder.guarantee(guarantee).stop_within(secs(5));
    ends.watch(builder).handler(move |it: String| {
        let is_first = effects.add(&it) == 1;
        if is_first {
            take_away(&store);
        }
        async move {
            tokio::time::sleep(runs_for).await;
            Ok::<_, String>(())
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_result_is_recorded_however_long_the_store_was_away_and_the_handler_runs_once() {
    for guarantee in GUARANTEES {
        let (log, _guard) = Log::listen();
        let store = FaultyStore::new(MemoryStore::new());
        let (broker, effects, ends) =
            (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
        broker.publish("7", "tea");
        let consumer = losing_its_store((&store, guarantee), (&effects, &ends), secs(3));
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(600)).await;
        assert_eq!((broker.deliveries(), broker.completed().len()), (1, 0), "{guarantee:?}");
        let asked = store.calls(StoreMethod::Complete);
        assert!(asked < 600, "it asked the store {asked} times");

        store.heal();
        let settled = tokio::time::timeout(secs(10), broker.until_settled(1)).await;
        assert!(settled.is_ok(), "it is not settled within seconds");
        let late = log.events("had lost its lease was recorded nevertheless");
        assert_eq!(late.len(), 1, "{guarantee:?}: {late:?}");
        running.stop().await.unwrap();
        assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1), "{guarantee:?}");
        assert_eq!((broker.completed().len(), broker.parked().len()), (1, 0), "{guarantee:?}");
        assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed], "{guarantee:?}");
    }
}

/// Whoever is told first that the store answers: the engine, which records the result, or the consumer, which asks for it.
#[tokio::test(start_paused = true)]
async fn an_outage_ends_whenever_the_store_comes_back() {
    for offset in 0..16 {
        let (log, _guard) = Log::listen();
        let store = FaultyStore::new(MemoryStore::new());
        let (broker, effects, ends) =
            (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
        broker.publish("7", "tea");
        let about = (&store, Guarantee::AtLeastOnce);
        let consumer = losing_its_store(about, (&effects, &ends), secs(3));
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(100) + millis(offset * 250)).await;
        store.heal();
        broker.until_settled(1).await;
        running.stop().await.unwrap();
        let said =
            (log.events("consumption pauses").len(), log.events("consumption goes on").len());
        assert_eq!(said, (1, 1), "back {} ms later", offset * 250);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_store_is_away_for_longer_than_its_lease_keeps_its_message() {
    let store = FaultyStore::new(MemoryStore::new());
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let about = (&store, Guarantee::AtLeastOnce);
    let consumer = losing_its_store(about, (&effects, &ends), secs(300));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(100)).await;
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1));
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_stops_before_the_store_is_back_leaves_the_message_and_says_so() {
    let (log, _guard) = Log::listen();
    let store = FaultyStore::new(MemoryStore::new());
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let about = (&store, Guarantee::AtLeastOnce);
    let consumer = losing_its_store(about, (&effects, &ends), secs(3));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(60)).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Unrecorded]);
    let said = log.events("stops before the store has taken the result");
    assert_eq!(said.len(), 1, "{said:?}");
    let asked = store.calls(StoreMethod::Complete);
    tokio::time::sleep(secs(60)).await;
    assert!(store.calls(StoreMethod::Complete) <= asked + 1, "nobody waits for it any more");

    store.heal();
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_lease_ended_before_its_handler_is_left_unrecorded_too() {
    let store = FaultyStore::new(MemoryStore::new());
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let about = (&store, Guarantee::AtLeastOnce);
    let consumer = losing_its_store(about, (&effects, &ends), secs(40));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(60)).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Unrecorded]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_now_and_then_is_not_said_to_refuse_results() {
    let (log, _guard) = Log::listen();
    let store = FaultyStore::new(MemoryStore::new());
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let about = (&store, Guarantee::AtLeastOnce);
    let consumer = losing_its_store(about, (&effects, &ends), secs(3));
    let running = Running::start(&consumer, broker.source());
    for _ in 0..3 {
        tokio::time::sleep(secs(60)).await;
        // It answers for a moment, which is too short for the result.
        store.heal();
        store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
        store.inject(StoreMethod::Renew, When::Always, Fault::Fail);
        tokio::time::sleep(secs(4)).await;
        take_away(&store);
    }
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!(log.events("but does not take the results").len(), 0);
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

/// A record that cannot be read, for instance.
#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_refuses_for_good_is_in_hand_until_its_lease_is_over() {
    let store = FaultyStore::new(MemoryStore::new());
    let refusal = Fault::FailAs(StoreErrorKind::Malformed);
    store.inject(StoreMethod::Complete, When::Always, refusal);
    let engine = Idempotency::builder(store.clone()).build();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let consumer = ends.watch(Consumer::builder("shop.ship", &engine).attempts(attempts(5)));
    let seen = effects.clone();
    let consumer = consumer.handler(move |it: String| {
        seen.add(&it);
        async { Ok::<_, String>(()) }
    });
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(45)).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Unrecorded]);
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!(broker.completed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_recorded_is_no_longer_tried_once_another_has_the_key() {
    let store = FaultyStore::new(MemoryStore::new());
    for method in [StoreMethod::Complete, StoreMethod::Renew] {
        store.inject(method, When::Always, Fault::Fail);
    }
    let broker = TestBroker::with_deadline(secs(600));
    let (effects, ends) = (Effects::default(), Ends::default());
    let consumer = |store: &Store| {
        let (engine, seen) = (Idempotency::builder(store.clone()).build(), effects.clone());
        let builder = Consumer::builder("shop.ship", &engine).lease(secs(1)).concurrency(1);
        ends.watch(builder).handler(move |it: String| {
            let runs_for = secs(u64::from(seen.add(&it) - 1) * 60);
            async move {
                tokio::time::sleep(runs_for).await;
                Ok::<_, String>(())
            }
        })
    };
    broker.publish("7", "tea");
    let running = Running::start(&consumer(&store), broker.source());
    tokio::time::sleep(secs(5)).await;
    // Of another process, which does not know what the first one has in hand.
    let another = Running::start(&consumer(&store), broker.source());
    broker.redeliver("7");
    tokio::time::sleep(secs(5)).await;
    assert_eq!((effects.of("tea"), ends.outcomes()), (2, vec![DeliveryOutcome::LeaseLost]));
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    another.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (2, 1));
    assert_eq!(broker.stale_verdicts(), []);
}

/// Handles three messages, and kills the records' Redis in the middle for longer than the lease lasts.
async fn through_an_outage_of_redis(source: impl Source, guarantee: Guarantee, effects: &Effects) {
    let redis = Redis::start().await;
    let store = RedisStore::builder(redis.url()).response_timeout(secs(2)).connect().await;
    let engine = Idempotency::builder(store.unwrap()).store_timeout(secs(4)).build();
    let (ends, seen, may_end) = (Ends::default(), effects.clone(), Arc::new(Semaphore::new(0)));
    let builder = Consumer::builder("shop.ship", &engine).lease(secs(2)).guarantee(guarantee);
    let ending = Arc::clone(&may_end);
    let consumer = ends.watch(builder.attempts(attempts(5))).handler(move |it: String| {
        seen.add(&it);
        let ending = Arc::clone(&ending);
        async move {
            ending.acquire().await?.forget();
            Ok::<_, AcquireError>(())
        }
    });
    let running = Running::start(&consumer, source);
    until(|| effects.all().len() == 3).await;
    redis.kill();
    may_end.add_permits(3);
    tokio::time::sleep(millis(3500)).await;
    assert_eq!(ends.all(), [], "there is nowhere to record them");
    redis.restart(Data::Keep).await;
    until(|| ends.all().len() >= 3).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed; 3], "{guarantee:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_and_a_redis_that_is_killed_for_longer_than_the_lease_run_each_handler_once() {
    require!(Server::Nats);
    require!(Server::Redis);
    let outage = async |guarantee| {
        let patient = pull::Config { ack_wait: secs(5), ..billing() };
        let server = Brokered::with_consumer(Server::Nats, patient).await;
        let effects = Effects::default();
        for order in ["1", "2", "3"] {
            server.publish(order, order).await;
        }
        through_an_outage_of_redis(server.source(), guarantee, &effects).await;
        server.until_settled().await;
        assert_eq!(effects.all(), ["1", "2", "3"].map(|it| (it.to_owned(), 1)), "{guarantee:?}");
        assert!(server.dead_letters().await.is_empty());
    };
    tokio::join!(outage(GUARANTEES[0]), outage(GUARANTEES[1]));
}
