//! Leases that are lost, and deliveries that are another's by now.

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Failure};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{millis, secs};
use tokio::sync::watch;

use crate::effects::{Effects, Ends, Running, attempts, engine, until};

/// The lease of a worker that loses it, and that of one that does not.
const SHORT: Duration = millis(200);
const LONG: Duration = secs(10);

/// A consumer whose handlers, so many at once, wait until they are told how to end.
fn waiting(
    (engine, concurrency, lease): (&Idempotency, usize, Duration),
    effects: &Effects,
    ends: &Ends,
    finish: &watch::Sender<Option<bool>>,
) -> Consumer {
    let (effects, finish) = (effects.clone(), finish.subscribe());
    let builder = Consumer::builder("shop.ship", engine).attempts(attempts(5)).lease(lease);
    let builder = ends.watch(builder.concurrency(concurrency));
    let handler = move |it: String| {
        let (effects, mut finish) = (effects.clone(), finish.clone());
        async move {
            effects.add(&it);
            let is_fine = finish.wait_for(Option::is_some).await.ok().and_then(|it| *it);
            if is_fine == Some(true) { Ok(()) } else { Err("it is told to fail") }
        }
    };
    builder.handler_with(handler, |_| Failure::RetryAfter(secs(600)))
}

/// The engine of a worker whose leases lapse while its handlers run, since its store does not answer; and that of another
/// process. With a concurrency of 1, the other one gets what is delivered again.
fn cut_off() -> (FaultyStore<MemoryStore>, Idempotency, Idempotency) {
    let memory = MemoryStore::new();
    let store = FaultyStore::new(memory.clone());
    for method in [StoreMethod::Renew, StoreMethod::Load] {
        store.inject(method, When::Always, Fault::Fail);
    }
    (store.clone(), Idempotency::new(store), Idempotency::new(memory))
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_of_a_message_in_hand_waits_for_how_that_ends() {
    let (broker, engine) = (TestBroker::new(), engine());
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    let consumer = waiting((&engine, 2, LONG), &effects, &ends, &finish);
    broker.publish("7", "tea");
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| ends.count(DeliveryOutcome::Busy) > 0).await;
    finish.send_replace(Some(true));
    broker.until_settled(2).await;
    running.stop().await.unwrap();
    assert_eq!(effects.of("tea"), 1);
    assert_eq!(ends.count(DeliveryOutcome::Replayed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_lost_its_lease_and_fails_sends_nothing() {
    let (store, engine, other_engine) = cut_off();
    let broker = TestBroker::with_deadline(secs(30));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    broker.publish("7", "tea");
    let late =
        Running::start(&waiting((&engine, 1, SHORT), &effects, &ends, &finish), broker.source());
    until(|| effects.of("tea") == 1).await;
    tokio::time::sleep(millis(600)).await;

    // Another worker has the message, and is still at it, when the first one fails.
    let (other_ends, other_finish) = (Ends::default(), watch::Sender::new(None));
    let other = waiting((&other_engine, 1, LONG), &effects, &other_ends, &other_finish);
    let other = Running::start(&other, broker.source());
    broker.redeliver("7");
    until(|| effects.of("tea") == 2).await;
    store.heal();
    finish.send_replace(Some(false));
    until(|| !ends.all().is_empty()).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::LeaseLost]);
    assert_eq!(broker.stale_verdicts(), []);

    other_finish.send_replace(Some(true));
    until(|| broker.unsettled() == 0 || !other_ends.all().is_empty()).await;
    late.stop().await.unwrap();
    other.stop().await.unwrap();
    assert!(broker.parked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_late_result_after_another_has_completed_acknowledges_and_runs_nothing() {
    let (store, engine, other_engine) = cut_off();
    let broker = TestBroker::with_deadline(secs(30));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    broker.publish("7", "tea");
    let late =
        Running::start(&waiting((&engine, 1, SHORT), &effects, &ends, &finish), broker.source());
    until(|| effects.of("tea") == 1).await;
    tokio::time::sleep(millis(600)).await;

    let (other_ends, other_finish) = (Ends::default(), watch::Sender::new(Some(true)));
    let other = waiting((&other_engine, 1, LONG), &effects, &other_ends, &other_finish);
    broker.redeliver("7");
    other.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(other_ends.outcomes(), [DeliveryOutcome::Executed]);
    store.heal();

    finish.send_replace(Some(true));
    until(|| !ends.all().is_empty()).await;
    late.stop().await.unwrap();
    // The store says that the call is completed, whoever's it is.
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
    assert_eq!((broker.completed().len(), broker.unsettled()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_late_result_while_another_runs_sends_nothing() {
    let (store, engine, other_engine) = cut_off();
    let broker = TestBroker::with_deadline(secs(30));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    broker.publish("7", "tea");
    let late =
        Running::start(&waiting((&engine, 1, SHORT), &effects, &ends, &finish), broker.source());
    until(|| effects.of("tea") == 1).await;
    tokio::time::sleep(millis(600)).await;

    let (other_ends, other_finish) = (Ends::default(), watch::Sender::new(None));
    let other = waiting((&other_engine, 1, LONG), &effects, &other_ends, &other_finish);
    let other = Running::start(&other, broker.source());
    broker.redeliver("7");
    until(|| effects.of("tea") == 2).await;
    store.heal();
    finish.send_replace(Some(true));
    until(|| !ends.all().is_empty()).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::LeaseLost]);
    assert_eq!((broker.completed().len(), broker.stale_verdicts()), (0, vec![]));
    other_finish.send_replace(Some(true));
    broker.until_settled(1).await;
    late.stop().await.unwrap();
    other.stop().await.unwrap();
    assert_eq!(effects.of("tea"), 2);
}

/// A worker that cannot record its result, whose lease is over.
async fn unable_to_record(
    (store, engine): (&FaultyStore<MemoryStore>, &Idempotency),
    broker: &TestBroker,
    (effects, ends): (&Effects, &Ends),
) -> Running {
    store.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    broker.publish("7", "tea");
    let fine = watch::Sender::new(Some(true));
    let late = waiting((engine, 1, SHORT), effects, ends, &fine);
    let running = Running::start(&late, broker.source());
    tokio::time::sleep(secs(1)).await;
    running
}

#[tokio::test(start_paused = true)]
async fn a_late_result_sends_nothing_where_another_has_failed_since_it_was_refused() {
    let (store, engine, other_engine) = cut_off();
    let broker = TestBroker::with_deadline(secs(30));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    let late = unable_to_record((&store, &engine), &broker, (&effects, &ends)).await;

    let other_ends = Ends::default();
    let other = waiting((&other_engine, 1, LONG), &effects, &other_ends, &finish);
    let other = Running::start(&other, broker.source());
    broker.redeliver("7");
    until(|| effects.of("tea") == 2).await;
    store.heal();
    // The first one looks who has the key while that becomes vacant.
    store.inject(StoreMethod::Load, When::Always, Fault::Delay(secs(3)));
    store.until_answered(StoreMethod::Complete, 1).await;
    finish.send_replace(Some(false));
    until(|| other_ends.outcomes() == [DeliveryOutcome::Failed]).await;
    assert_eq!(ends.outcomes(), []);
    until(|| !ends.all().is_empty()).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::LeaseLost]);
    assert_eq!((broker.deliveries(), broker.stale_verdicts()), (2, vec![]));
    late.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_late_result_sends_nothing_where_another_runs_whose_lease_is_over_too() {
    let memory = MemoryStore::new();
    let cut_off = || {
        let store = FaultyStore::new(memory.clone());
        store.inject(StoreMethod::Renew, When::Always, Fault::Fail);
        (store.clone(), Idempotency::new(store))
    };
    let ((store, engine), (other_store, other_engine)) = (cut_off(), cut_off());
    store.inject(StoreMethod::Load, When::Always, Fault::Fail);
    let broker = TestBroker::with_deadline(secs(30));
    let (effects, ends, finish) = (Effects::default(), Ends::default(), watch::Sender::new(None));
    let late = unable_to_record((&store, &engine), &broker, (&effects, &ends)).await;

    let other_ends = Ends::default();
    let other = waiting((&other_engine, 1, secs(3)), &effects, &other_ends, &finish);
    let other = Running::start(&other, broker.source());
    broker.redeliver("7");
    until(|| effects.of("tea") == 2).await;
    other_store.inject(StoreMethod::Load, When::Always, Fault::Fail);
    store.heal();
    // The first one is refused, and looks who has the key once that has lapsed.
    store.inject(StoreMethod::Load, When::Always, Fault::Delay(secs(4)));
    until(|| !ends.all().is_empty()).await;
    assert_eq!(ends.outcomes(), [DeliveryOutcome::LeaseLost]);
    assert_eq!((broker.deliveries(), broker.stale_verdicts()), (2, vec![]));
    finish.send_replace(Some(true));
    late.stop().await.unwrap();
    other.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_prefetched_and_is_past_its_deadline_is_not_started() {
    let broker = TestBroker::with_deadline(millis(300));
    let (engine, effects, ends) = (engine(), Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine).concurrency(1);
    let consumer = ends.watch(builder).handler(move |it: String| {
        let count = seen.add(&it);
        async move {
            if it == "slow" && count == 1 {
                tokio::time::sleep(millis(900)).await;
            }
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "slow");
    broker.publish("8", "tea");
    consumer.run(broker.source().prefetching(1), broker.until_settled(2)).await.unwrap();
    assert_eq!((effects.of("slow"), effects.of("tea")), (1, 1));
    assert!(ends.count(DeliveryOutcome::Expired) >= 1, "{:?}", ends.outcomes());
    assert_eq!(broker.stale_verdicts(), []);
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_at_most_half_of_the_deadline_so_that_a_dead_workers_message_runs_at_once() {
    let broker = TestBroker::with_deadline(millis(1000));
    let (engine, effects, ends) = (engine(), Effects::default(), Ends::default());
    let (seen, first) = (effects.clone(), effects.clone());
    // The engine's lease is 30 seconds.
    let dying = Consumer::builder("shop.ship", &engine).handler(move |it: String| {
        first.add(&it);
        std::future::pending::<Result<(), String>>()
    });
    let living = ends.watch(Consumer::builder("shop.ship", &engine)).handler(move |it: String| {
        seen.add(&it);
        async { Ok::<_, String>(()) }
    });
    broker.publish("7", "tea");
    let running = Running::start(&dying, broker.source());
    until(|| effects.of("tea") == 1).await;
    running.crash().await;
    living.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("tea"), 2);
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed], "it found the lease lapsed");
}

/// A consumer whose first attempt fails, so that the next delivery counts the attempts first.
fn failing_once(engine: &Idempotency, effects: &Effects, ends: &Ends, max: u32) -> Consumer {
    let effects = effects.clone();
    let builder = Consumer::builder("shop.ship", engine).attempts(attempts(max));
    ends.watch(builder.lease(millis(500))).handler(move |it: String| {
        let tries = effects.add(&it);
        async move { if tries == 1 { Err("the carrier is down") } else { Ok(()) } }
    })
}

#[tokio::test(start_paused = true)]
async fn no_handler_starts_whose_lease_has_lapsed_while_attempts_were_counted() {
    let store = FaultyStore::new(MemoryStore::new());
    store.inject(StoreMethod::Renew, When::Always, Fault::Fail);
    store.inject(StoreMethod::Load, When::Nth(1), Fault::Delay(secs(2)));
    let engine = Idempotency::builder(store).build();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let consumer = failing_once(&engine, &effects, &ends, 5);
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let [failed, lost, executed] =
        [DeliveryOutcome::Failed, DeliveryOutcome::LeaseLost, DeliveryOutcome::Executed];
    assert_eq!(ends.outcomes(), [failed, lost, executed]);
    assert_eq!((effects.of("tea"), broker.stale_verdicts()), (2, vec![]));
}

#[tokio::test(start_paused = true)]
async fn no_handler_starts_once_its_consumer_stops_and_its_attempt_does_not_count() {
    let store = FaultyStore::new(MemoryStore::new());
    store.inject(StoreMethod::Load, When::Nth(1), Fault::Delay(secs(2)));
    let engine = Idempotency::builder(store.clone()).build();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    let consumer = failing_once(&engine, &effects, &ends, 2);
    let running = Running::start(&consumer, broker.source());
    until(|| store.calls(StoreMethod::Load) == 1).await;
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Failed, DeliveryOutcome::GivenBack]);
    assert_eq!((effects.of("tea"), broker.unsettled()), (1, 1));

    // Its second and last attempt is left.
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (2, 1));
}
