//! Second deliveries of messages that this process has in hand already, and what other processes see of those.

use std::sync::Arc;

use idempotent_core::backends::{MemoryStore, RedisStore};
use idempotent_core::call::BeginOutcome;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::model::RecordId;
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_servers::{Data, Redis, Server, require};
use idempotent_tests::{Log, millis, secs};
use tokio::sync::{Notify, watch};

use crate::effects::{Effects, Ends, Running, attempts, until};

type Store = FaultyStore<MemoryStore>;

fn store() -> (Store, Idempotency) {
    let store = FaultyStore::new(MemoryStore::new());
    (store.clone(), Idempotency::builder(store).build())
}

fn take_away(store: &Store) {
    for method in
        [StoreMethod::Reserve, StoreMethod::Complete, StoreMethod::Load, StoreMethod::Renew]
    {
        store.inject(method, When::Always, Fault::Fail);
    }
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_runs_twice_in_a_process_runs_no_message_twice_after_an_outage() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let (store, engine) = store();
        let (broker, effects, ends) =
            (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
        // As an application does that makes one for each of its connections.
        let consumer = || {
            let (store, effects) = (store.clone(), effects.clone());
            let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(5));
            ends.watch(builder.guarantee(guarantee).concurrency(1)).handler(move |it: String| {
                effects.add(&it);
                take_away(&store);
                async {
                    tokio::time::sleep(secs(3)).await;
                    Ok::<_, String>(())
                }
            })
        };
        broker.publish("7", "tea");
        let first = Running::start(&consumer(), broker.source());
        tokio::time::sleep(secs(100)).await;
        // The first one has no room for it.
        let second = Running::start(&consumer(), broker.source());
        broker.redeliver("7");
        tokio::time::sleep(secs(100)).await;
        store.heal();
        broker.until_settled(1).await;
        first.stop().await.unwrap();
        second.stop().await.unwrap();
        assert_eq!((effects.of("tea"), broker.parked().len()), (1, 0), "{guarantee:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_is_served_once_the_first_lease_is_over_runs_nothing() {
    let (store, engine) = store();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(5)).lease(secs(3));
    let consumer = ends.watch(builder).handler(move |it: String| {
        seen.add(&it);
        async {
            tokio::time::sleep(secs(20)).await;
            Ok::<_, String>(())
        }
    });
    // The second is sent before the first has its answer, and served half a second after the first one's lease.
    store.inject(StoreMethod::Reserve, When::Nth(1), Fault::DelayAnswer(millis(1500)));
    store.inject(StoreMethod::Reserve, When::Nth(2), Fault::Delay(millis(2500)));
    store.inject(StoreMethod::Renew, When::Always, Fault::Fail);
    let running = Running::start(&consumer, broker.source());
    broker.publish("7", "tea");
    tokio::time::sleep(secs(1)).await;
    broker.publish("7", "tea");
    broker.until_settled(2).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (1, 2));
    assert_eq!(ends.count(DeliveryOutcome::Executed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_waits_for_one_in_hand_does_not_end_an_outage() {
    let (log, _guard) = Log::listen();
    let (store, engine) = store();
    let broker = TestBroker::with_deadline(secs(60));
    let consumer = Consumer::builder("shop.ship", &engine).attempts(attempts(5)).handler(
        |it: String| async move {
            tokio::time::sleep(secs(if it == "tea" { 300 } else { 0 })).await;
            Ok::<_, String>(())
        },
    );
    // The store answers one call of the first message, in the middle.
    for (method, when) in [
        (StoreMethod::Reserve, When::Nth(1)),
        (StoreMethod::Reserve, When::Nth(2)),
        (StoreMethod::Reserve, When::Nth(3)),
        (StoreMethod::Reserve, When::From(5)),
        (StoreMethod::Load, When::Always),
        (StoreMethod::Renew, When::Always),
    ] {
        store.inject(method, when, Fault::Fail);
    }
    for (id, payload) in [("7", "tea"), ("8", "milk"), ("7", "tea")] {
        broker.publish(id, payload);
    }
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(100)).await;
    let said = |what| log.events(what).len();
    assert_eq!((said("consumption pauses"), said("consumption goes on")), (1, 0));
    store.heal();
    broker.until_settled(3).await;
    running.stop().await.unwrap();
    assert_eq!((said("consumption pauses"), said("consumption goes on")), (1, 1));
}

/// What a call with the message's key is told in another process; it gives the key back if it has it.
async fn asked_by_another_process(engine: &Idempotency) -> Result<(), ErrorKind> {
    let call = Operation::new("shop.ship").key("7").engine(engine);
    match call.returning::<Result<(), Error>>().begin().await {
        Ok(BeginOutcome::Reserved(another)) => {
            another.release().await;
            Ok(())
        }
        Ok(_) => panic!("it has not ended"),
        Err(error) => Err(error.kind()),
    }
}

/// The same, from a store that may be slow to answer.
async fn asked_until_answered(engine: &Idempotency) -> Result<(), ErrorKind> {
    loop {
        match asked_by_another_process(engine).await {
            Err(ErrorKind::Store) => tokio::time::sleep(millis(50)).await,
            answer => return answer,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlives_an_outage_has_its_key_again_and_nobody_runs_beside_it() {
    for fault in [Fault::Fail, Fault::Hang] {
        let (store, engine) = store();
        let (broker, effects, ends) =
            (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
        let seen = effects.clone();
        let builder = ends.watch(Consumer::builder("shop.ship", &engine).attempts(attempts(5)));
        let consumer = builder.handler(move |it: String| {
            seen.add(&it);
            async {
                tokio::time::sleep(secs(600)).await;
                Ok::<_, String>(())
            }
        });
        broker.publish("7", "tea");
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(1)).await;
        for method in [StoreMethod::Load, StoreMethod::Renew] {
            store.inject(method, When::Always, fault);
        }
        tokio::time::sleep(secs(100)).await;
        store.heal();
        // Longer than a lease, so that it is also renewed again.
        for _ in 0..10 {
            tokio::time::sleep(secs(20)).await;
            let another = Idempotency::builder(store.clone()).build();
            assert_eq!(asked_by_another_process(&another).await, Err(ErrorKind::InProgress));
        }
        broker.until_settled(1).await;
        running.stop().await.unwrap();
        assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1), "{fault:?}");
        assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed], "{fault:?}");
    }
}

/// A handler that runs until it is told how to end, and whose store does not answer for longer than its lease. Its next
/// reserve is about to have its key again.
struct Outlived {
    store: Store,
    another: Idempotency,
    broker: TestBroker,
    ends: Ends,
    finish: watch::Sender<Option<bool>>,
    running: Running,
}

impl Outlived {
    /// With a fault of that reserve, which has been called.
    async fn with(fault: Fault) -> Self {
        let (memory, ends) = (MemoryStore::new(), Ends::default());
        let store = FaultyStore::new(memory.clone());
        let engine = Idempotency::builder(store.clone()).build();
        let (broker, finish) = (TestBroker::with_deadline(secs(60)), watch::Sender::new(None));
        let builder = ends.watch(Consumer::builder("shop.ship", &engine).attempts(attempts(5)));
        let told = finish.subscribe();
        let consumer = builder.handler(move |_: String| {
            let mut told = told.clone();
            async move {
                let is_fine = told.wait_for(Option::is_some).await.ok().and_then(|it| *it);
                if is_fine == Some(true) { Ok(()) } else { Err("it is told to fail") }
            }
        });
        broker.publish("7", "tea");
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(1)).await;
        for method in [StoreMethod::Load, StoreMethod::Renew] {
            store.inject(method, When::Always, Fault::Fail);
        }
        tokio::time::sleep(secs(100)).await;
        store.heal();
        store.inject(StoreMethod::Reserve, When::Nth(2), fault);
        store.until_called(StoreMethod::Reserve, 2).await;
        let another = Idempotency::builder(memory).build();
        Self { store, another, broker, ends, finish, running }
    }

    /// What a call with the message's key is told in another process.
    async fn asked(&self) -> Result<(), ErrorKind> {
        asked_by_another_process(&self.another).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_reserved_again_without_an_answer_stays_reserved() {
    // Longer than the engine waits for its store.
    let outlived = Outlived::with(Fault::DelayAnswer(secs(20))).await;
    for _ in 0..300 {
        tokio::time::sleep(millis(200)).await;
        assert_eq!(outlived.asked().await, Err(ErrorKind::InProgress));
    }
    outlived.finish.send_replace(Some(true));
    outlived.broker.until_settled(1).await;
    outlived.running.stop().await.unwrap();
    assert_eq!(outlived.broker.deliveries(), 1);
    assert_eq!(outlived.ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_reserved_again_while_its_result_cannot_be_recorded_yet_stays_reserved() {
    let outlived = Outlived::with(Fault::DelayAnswer(secs(1))).await;
    outlived.store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    outlived.finish.send_replace(Some(true));
    tokio::time::sleep(secs(3)).await;
    assert!(outlived.store.calls(StoreMethod::Complete) > 0);
    assert_eq!(outlived.asked().await, Err(ErrorKind::InProgress));
    outlived.store.heal();
    outlived.broker.until_settled(1).await;
    outlived.running.stop().await.unwrap();
    assert_eq!(outlived.broker.deliveries(), 1);
    assert_eq!(outlived.ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_reserved_again_after_its_release_is_released_again() {
    let outlived = Outlived::with(Fault::Delay(secs(1))).await;
    outlived.finish.send_replace(Some(false));
    tokio::time::sleep(secs(3)).await;
    assert_eq!(outlived.store.answered(StoreMethod::Release), 2);
    assert_eq!(outlived.asked().await, Ok(()));
    outlived.running.stop().await.unwrap();
    assert_eq!(outlived.ends.outcomes(), [DeliveryOutcome::LeaseLost]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_outlives_its_redis_without_data_has_its_key_again() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let connect = async || {
        let store = RedisStore::builder(redis.url()).response_timeout(secs(2)).connect().await;
        Idempotency::builder(store.unwrap()).store_timeout(secs(4)).build()
    };
    let (engine, may_end) = (connect().await, Arc::new(Notify::new()));
    let (effects, ends) = (Effects::default(), Ends::default());
    let builder = Consumer::builder("shop.ship", &engine).lease(secs(6)).attempts(attempts(5));
    let (ending, seen) = (Arc::clone(&may_end), effects.clone());
    let consumer = ends.watch(builder).handler(move |it: String| {
        let ending = Arc::clone(&ending);
        seen.add(&it);
        async move {
            ending.notified().await;
            Ok::<_, String>(())
        }
    });
    let broker = TestBroker::with_deadline(secs(60));
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    redis.kill();
    tokio::time::sleep(secs(3)).await;
    redis.restart(Data::Drop).await;
    let (another, id) = (connect().await, RecordId::of("shop.ship", None, "7").unwrap());
    let reserved = async {
        // Looked at alone, since whoever reserves it takes it away.
        while !matches!(another.inspect(&id).await, Ok(Some(_))) {
            tokio::time::sleep(millis(50)).await;
        }
    };
    tokio::time::timeout(secs(60), reserved).await.expect("its key is never reserved again");
    assert_eq!(asked_until_answered(&another).await, Err(ErrorKind::InProgress));
    may_end.notify_one();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!((broker.deliveries(), ends.outcomes()), (1, vec![DeliveryOutcome::Executed]));
}
