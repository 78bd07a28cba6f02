//! Workers whose store hangs, comes back empty, or takes no writes, while their handlers run or their results are in hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::model::RecordId;
use idempotent_core::store::{Release, Store as _};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, Guarantee, Idempotency, Operation, current};
use idempotent_tests::{Log, millis, secs};

use crate::effects::{Effects, Ends, Running, attempts, until};

type Store = FaultyStore<MemoryStore>;

fn store() -> (Store, Idempotency) {
    let store = FaultyStore::new(MemoryStore::new());
    (store.clone(), Idempotency::builder(store).build())
}

fn take_away(store: &Store, fault: Fault) {
    for method in [
        StoreMethod::Reserve,
        StoreMethod::Complete,
        StoreMethod::Load,
        StoreMethod::Release,
        StoreMethod::Abandon,
        StoreMethod::Renew,
    ] {
        store.inject(method, When::Always, fault);
    }
}

/// A consumer whose handlers run for so long.
fn running_for(
    (engine, guarantee): (&Idempotency, Guarantee),
    (effects, ends): (&Effects, &Ends),
    runs_for: Duration,
) -> Consumer {
    let effects = effects.clone();
    let builder = Consumer::builder("shop.ship", engine).attempts(attempts(5)).concurrency(200);
    ends.watch(builder.guarantee(guarantee)).handler(move |it: String| {
        effects.add(&it);
        async move {
            tokio::time::sleep(runs_for).await;
            Ok::<_, String>(())
        }
    })
}

/// Lets a store hang for a while in which many handlers run, and expects each to run once.
async fn through_a_hang(deadline: Duration, messages: u64) {
    let (store, engine) = store();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(deadline), Effects::default(), Ends::default());
    for number in 0..messages {
        broker.publish(format!("{number}"), format!("{number}"));
    }
    let about = (&engine, Guarantee::AtLeastOnce);
    let consumer = running_for(about, (&effects, &ends), secs(300));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(millis(10)).await;
    take_away(&store, Fault::Hang);
    tokio::time::sleep(secs(100)).await;
    store.heal();
    broker.until_settled(messages as usize).await;
    running.stop().await.unwrap();
    assert_eq!(broker.deliveries(), messages);
    assert!(effects.all().iter().all(|(_, times)| *times == 1), "{:?}", effects.all());
    assert_eq!(ends.count(DeliveryOutcome::Executed) as u64, messages);
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_store_hangs_until_its_lease_is_over_keeps_its_message() {
    // The lease is as long as the store's time limit, so that the first renewal is the only one.
    through_a_hang(secs(10), 1).await;
}

#[tokio::test(start_paused = true)]
async fn more_handlers_than_renewals_that_run_at_once_keep_their_messages_while_the_store_hangs() {
    through_a_hang(secs(30), 100).await;
}

/// The key of the only handler.
type SeenId = Arc<Mutex<Option<RecordId>>>;

fn noting_its_key(
    engine: &Idempotency,
    effects: &Effects,
    runs_for: Duration,
) -> (Consumer, SeenId) {
    let (effects, seen) = (effects.clone(), SeenId::default());
    let id = Arc::clone(&seen);
    let builder = Consumer::builder("shop.ship", engine).attempts(attempts(5));
    let consumer = builder.handler(move |it: String| {
        effects.add(&it);
        *seen.lock().unwrap() = current().map(|call| call.record_id().clone());
        async move {
            tokio::time::sleep(runs_for).await;
            Ok::<_, String>(())
        }
    });
    (consumer, id)
}

/// Makes the store forget a reservation.
async fn forget(store: &Store, id: &SeenId) {
    let id = id.lock().unwrap().clone().unwrap();
    let entry = store.load(&id).await.unwrap().unwrap();
    store.release(&Release::new(&id, &entry.record)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_whose_reservation_the_store_has_forgotten_keeps_its_message() {
    let (store, engine) = store();
    let (broker, effects) = (TestBroker::with_deadline(secs(60)), Effects::default());
    let (consumer, id) = noting_its_key(&engine, &effects, secs(300));
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(5)).await;
    forget(&store, &id).await;
    broker.until_settled(1).await;
    running.stop().await.unwrap();
    assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_broker_is_told_nothing_if_another_call_has_the_key_when_a_handler_ends_in_time() {
    let (store, engine) = store();
    let (broker, effects) = (TestBroker::with_deadline(secs(60)), Effects::default());
    let (consumer, id) = noting_its_key(&engine, &effects, secs(5));
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(1)).await;
    forget(&store, &id).await;
    let call = Operation::new("shop.ship").key("7").engine(&engine);
    let begun = call.returning::<Result<(), Error>>().begin().await.unwrap();
    let BeginOutcome::Reserved(another) = begun else { panic!("the key is not vacant") };
    // Longer than the pause before another attempt, and shorter than the broker waits.
    tokio::time::sleep(secs(30)).await;
    assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1));
    another.release().await;
    running.crash().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_kept_alive_no_more_once_another_call_has_its_key_after_an_outage() {
    for fault in [Fault::Fail, Fault::Hang] {
        let (store, engine) = store();
        let (broker, effects) = (TestBroker::with_deadline(secs(60)), Effects::default());
        let (consumer, _) = noting_its_key(&engine, &effects, secs(600));
        broker.publish("7", "tea");
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(5)).await;
        take_away(&store, fault);
        tokio::time::sleep(secs(100)).await;
        assert_eq!(broker.deliveries(), 1);
        store.heal();
        let call = Operation::new("shop.ship").key("7").engine(&engine);
        let begun = call.returning::<Result<(), Error>>().begin().await.unwrap();
        let BeginOutcome::Reserved(another) = begun else { panic!("the key is not vacant") };
        tokio::time::sleep(secs(120)).await;
        assert!(broker.deliveries() > 1, "it is kept alive although it is another's");
        another.release().await;
        running.crash().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_delivery_to_the_same_consumer_waits_for_the_result_that_is_in_hand() {
    // Whoever asks the store first when it is back.
    let back_at = (0..8).map(|quarter| secs(10) + millis(250) * quarter);
    let guarantees = [Guarantee::AtLeastOnce, Guarantee::AtMostOnce];
    for (back_at, guarantee) in back_at.flat_map(|at| guarantees.map(|it| (at, it))) {
        let (store, engine) = store();
        let (broker, effects, ends) =
            (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
        broker.publish("7", "tea");
        let consumer = running_for((&engine, guarantee), (&effects, &ends), secs(3));
        let running = Running::start(&consumer, broker.source());
        tokio::time::sleep(secs(1)).await;
        take_away(&store, Fault::Fail);
        tokio::time::sleep(secs(100)).await;
        broker.redeliver("7");
        tokio::time::sleep(back_at).await;
        assert_eq!((ends.all().len(), broker.deliveries()), (0, 2), "it waits in hand");
        store.heal();
        broker.until_settled(1).await;
        running.stop().await.unwrap();
        assert_eq!(
            (effects.of("tea"), broker.parked().len()),
            (1, 0),
            "{guarantee:?}, {back_at:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_writes_is_asked_rarely_and_that_is_said_once() {
    let (log, _guard) = Log::listen();
    let (store, engine) = store();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    for number in 0..10 {
        broker.publish(format!("{number}"), format!("{number}"));
    }
    let about = (&engine, Guarantee::AtLeastOnce);
    let consumer = running_for(about, (&effects, &ends), secs(3));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(1)).await;
    for method in [StoreMethod::Complete, StoreMethod::Renew] {
        store.inject(method, When::Always, Fault::Fail);
    }
    tokio::time::sleep(secs(600)).await;
    let looked = store.calls(StoreMethod::Load);
    assert!(looked < 10 * 400, "it looked {looked} times");
    assert_eq!(log.events("but does not take the results").len(), 1);
    store.heal();
    broker.until_settled(10).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed; 10]);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_recorded_is_acknowledged_although_the_store_cannot_be_read() {
    let (store, engine) = store();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let about = (&engine, Guarantee::AtLeastOnce);
    let consumer = running_for(about, (&effects, &ends), secs(3));
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(1)).await;
    take_away(&store, Fault::Fail);
    tokio::time::sleep(secs(20)).await;
    store.heal();
    store.inject(StoreMethod::Load, When::Always, Fault::Fail);
    let settled = tokio::time::timeout(secs(10), broker.until_settled(1)).await;
    assert!(settled.is_ok(), "it is recorded and not acknowledged");
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_stops_while_its_store_hangs_says_what_it_leaves_unrecorded() {
    let (log, _guard) = Log::listen();
    let (store, engine) = store();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(60)), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine).stop_within(millis(1500));
    let consumer = ends.watch(builder).handler(move |it: String| {
        seen.add(&it);
        async {
            tokio::time::sleep(secs(3)).await;
            Ok::<_, String>(())
        }
    });
    let running = Running::start(&consumer, broker.source());
    tokio::time::sleep(secs(2)).await;
    take_away(&store, Fault::Hang);
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Unrecorded]);
    assert_eq!(log.events("stops before the store has taken the result").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_had_again_is_not_lost_again_to_a_look_at_the_store_from_before() {
    let (store, engine) = store();
    let (broker, ends) = (TestBroker::with_deadline(secs(60)), Ends::default());
    let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(1)).concurrency(2);
    let consumer = ends.watch(builder.lease(secs(3))).handler(|runs_for: String| async move {
        tokio::time::sleep(millis(runs_for.parse().unwrap())).await;
        Err::<(), _>("the carrier is down")
    });
    let running = Running::start(&consumer, broker.source());
    broker.publish("7", "5700");
    tokio::time::sleep(millis(500)).await;
    // Its lease is renewed in between, so that the task which renews leases looks whether another one is due.
    broker.publish("8", "60000");
    let id = engine.record_id("shop.ship", None, &"7").unwrap();
    let entry = store.inner().load(&id).await.unwrap().unwrap();
    store.inner().release(&Release::new(&id, &entry.record)).await.unwrap();
    // After 1 second it is found vacant. It is reserved again after 3, and an answer from before that comes after 5.5.
    store.inject(StoreMethod::Reserve, When::Nth(3), Fault::Delay(secs(2)));
    store.inject(StoreMethod::Load, When::Nth(2), Fault::DelayAnswer(secs(3)));
    until(|| store.answered(StoreMethod::Reserve) == 3).await;
    until(|| !ends.all().is_empty()).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Failed]);
    running.crash().await;
}
