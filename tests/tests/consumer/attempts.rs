//! How attempts are counted.

use idempotent_core::consumer::{Attempts, Backoff, Consumer, DeliveryOutcome, ParkReason};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::millis;

use crate::effects::{Effects, Ends, Running, attempts, engine, until};

#[tokio::test]
async fn a_message_is_parked_after_its_last_attempt() {
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(3)));
    let consumer = builder.handler(move |it: String| {
        seen.add(&it);
        async { Err::<(), _>("the carrier is down") }
    });
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.deliveries()), (3, 3));
    let parked = &broker.parked()[0];
    assert_eq!((parked.reason, parked.attempts), (ParkReason::AttemptsUsedUp, 3));
    assert_eq!(parked.error, "the carrier is down");
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Failed; 3]);
}

#[tokio::test(start_paused = true)]
async fn the_pauses_between_attempts_grow() {
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(Attempts::max(4).backoff(Backoff::exponential(millis(10_000), millis(30_000))))
        .handler(|_: String| async { Err::<(), _>("the carrier is down") });
    broker.publish("7", "tea");
    let start = tokio::time::Instant::now();
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let took = start.elapsed().as_secs();
    assert!((60..62).contains(&took), "10 s, 20 s and 30 s are {took} s");
}

#[tokio::test]
async fn a_broker_that_delivers_often_uses_up_no_attempts() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let (finish, finished) = tokio::sync::watch::channel(false);
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(2)).handler(
        move |it: String| {
            let (seen, mut finished) = (seen.clone(), finished.clone());
            async move {
                seen.add(&it);
                let _ = finished.wait_for(|it| *it).await;
                Ok::<_, String>(())
            }
        },
    );
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    for delivery in 2..8 {
        broker.redeliver("7");
        until(|| broker.deliveries() >= delivery).await;
    }
    finish.send(true).unwrap();
    until(|| broker.unsettled() == 0).await;
    running.stop().await.unwrap();
    assert_eq!(effects.of("tea"), 1);
    assert!(broker.parked().is_empty());
}

#[tokio::test]
async fn a_message_that_kills_its_worker_is_parked() {
    let broker = TestBroker::with_deadline(millis(400));
    let (engine, effects) = (engine(), Effects::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(3));
    let consumer = builder.lease(millis(100)).handler(move |it: String| {
        seen.add(&it);
        std::future::pending::<Result<(), String>>()
    });
    broker.publish("7", "tea");
    let mut killed = 0;
    while broker.parked().is_empty() {
        let running = Running::start(&consumer, broker.source());
        let before = effects.of("tea");
        until(|| effects.of("tea") > before || !broker.parked().is_empty()).await;
        running.crash().await;
        killed += 1;
        assert!(killed < 20, "it is never parked");
    }
    // The first delivery is not noted.
    assert_eq!(effects.of("tea"), 4);
    assert_eq!(broker.parked()[0].reason, ParkReason::AttemptsUsedUp);
}

#[tokio::test]
async fn without_a_limit_a_message_is_never_parked() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let pauses = Attempts::unlimited().backoff(Backoff::constant(millis(1)));
    let consumer =
        Consumer::builder("shop.ship", &engine()).attempts(pauses).handler(move |it: String| {
            let tries = seen.add(&it);
            async move { if tries < 30 { Err("the carrier is down") } else { Ok(()) } }
        });
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.parked().len()), (30, 0));
}
