//! The store away: nothing is lost, no attempt is counted, and consumption goes on by itself.

use std::sync::Arc;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{millis, secs};

use crate::effects::{Effects, Ends, Running, attempts, until};

type Store = FaultyStore<MemoryStore>;

/// A store that can go away, and an engine without a circuit that asks it at once.
fn store() -> (Store, Idempotency) {
    let store = FaultyStore::new(MemoryStore::new());
    (store.clone(), Idempotency::builder(store).build())
}

fn consumer(engine: &Idempotency, effects: &Effects, ends: &Ends) -> Consumer {
    let effects = effects.clone();
    let builder = Consumer::builder("shop.ship", engine).attempts(attempts(2)).concurrency(4);
    ends.watch(builder).handler(move |it: String| {
        effects.add(&it);
        async { Ok::<_, String>(()) }
    })
}

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

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_an_hour_costs_no_message_and_no_attempt() {
    let (store, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    take_away(&store);
    for number in 0..20 {
        broker.publish(format!("{number}"), format!("{number}"));
    }
    let running = Running::start(&consumer(&engine, &effects, &ends), broker.source());
    tokio::time::sleep(secs(3600)).await;
    assert_eq!(broker.deliveries(), 4, "no more than the concurrency is in hand, and kept alive");
    let asked = store.calls(StoreMethod::Reserve);
    assert!(asked < 4000, "it asked the store {asked} times");
    assert!(effects.all().is_empty());

    store.heal();
    let back = tokio::time::Instant::now();
    broker.until_settled(20).await;
    assert!(back.elapsed() < secs(10), "it took {:?}", back.elapsed());
    running.stop().await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1) && effects.all().len() == 20);
    assert!(broker.parked().is_empty());
    assert_eq!(ends.count(DeliveryOutcome::Executed), 20);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_loses_nothing() {
    let (store, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    let running = Running::start(&consumer(&engine, &effects, &ends), broker.source());
    for number in 0..200 {
        broker.publish(format!("{number}"), format!("{number}"));
        match number % 40 {
            10 => take_away(&store),
            20 => {
                tokio::time::sleep(millis(400)).await;
                store.heal();
            }
            _ => tokio::time::sleep(millis(5)).await,
        }
    }
    broker.until_settled(200).await;
    running.stop().await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1) && effects.all().len() == 200);
    assert!(broker.parked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_recorded_yet_is_not_acknowledged() {
    let (store, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    store.inject(StoreMethod::Load, When::Always, Fault::Fail);
    broker.publish("7", "tea");
    let running = Running::start(&consumer(&engine, &effects, &ends), broker.source());
    tokio::time::sleep(secs(5)).await;
    assert_eq!((effects.of("tea"), broker.completed().len(), broker.deliveries()), (1, 0, 1));
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_result_whose_confirmation_was_lost_is_looked_up_and_acknowledged() {
    let (store, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    store.inject(StoreMethod::Complete, When::Always, Fault::LoseAnswer);
    broker.publish("7", "tea");
    consumer(&engine, &effects, &ends).run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (1, 1));
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test(start_paused = true)]
async fn a_call_inside_the_handler_that_the_store_refuses_is_no_attempt() {
    use idempotent_core::{Error, idempotent};

    #[idempotent(key = order, name = "shop.charge-in-outage", engine = engine)]
    async fn charge(engine: &Idempotency, order: String) -> Result<(), Error> {
        Ok(())
    }

    let (store, inner) = store();
    let inner = Arc::new(inner);
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let (engine, seen) = (crate::effects::engine(), effects.clone());
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(2)).handler(move |it: String| {
            let (inner, seen) = (Arc::clone(&inner), seen.clone());
            async move {
                seen.add(&it);
                charge(&inner, it).await
            }
        });
    take_away(&store);
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    while effects.of("tea") < 6 {
        tokio::time::sleep(millis(10)).await;
    }
    assert!(broker.parked().is_empty());
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!(broker.completed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_none_is_taken_back_once_the_store_answers() {
    use idempotent_core::{Error, idempotent};

    #[idempotent(key = order, name = "shop.charge-in-outage-of-both", engine = engine)]
    async fn charge(engine: &Idempotency, order: String) -> Result<(), Error> {
        Ok(())
    }

    let ((store, engine), (inner_store, inner)) = (store(), store());
    let inner = Arc::new(inner);
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(2)).handler(move |it: String| {
            let (inner, seen) = (Arc::clone(&inner), seen.clone());
            async move {
                seen.add(&it);
                charge(&inner, it).await
            }
        });
    take_away(&inner_store);
    store.inject(StoreMethod::Purge, When::Always, Fault::Fail);
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(60)).await;
    // The first delivery is not noted, and the second one has something to take back.
    assert_eq!((effects.of("tea"), broker.parked().len()), (2, 0));
    inner_store.heal();
    store.heal();
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_goes_away_is_waited_for() {
    let (_, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    broker.set_away(true);
    let running = Running::start(&consumer(&engine, &effects, &ends), broker.source());
    tokio::time::sleep(secs(600)).await;
    broker.publish("7", "tea");
    broker.set_away(false);
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!(effects.of("tea"), 1);
}

#[tokio::test]
async fn while_the_store_is_away_a_consumer_can_be_stopped() {
    let (store, engine) = store();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    take_away(&store);
    broker.publish("7", "tea");
    let running = Running::start(&consumer(&engine, &effects, &ends), broker.source());
    until(|| broker.deliveries() == 1).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::GivenBack]);
    assert_eq!((broker.unsettled(), effects.all().len()), (1, 0));
}
