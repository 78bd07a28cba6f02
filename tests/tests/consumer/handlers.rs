//! What a handler sees, and what its end means.

use std::sync::Arc;

use idempotent_core::consumer::{
    Consumer, DeliveryOutcome, Failure, Json, Message, ParkReason, Verdict,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{Error, current, idempotent, step};
use idempotent_tests::millis;
use tokio::sync::Notify;

use crate::effects::{Effects, Ends, Running, attempts, counting, engine, until};

#[tokio::test]
async fn a_message_that_is_delivered_again_is_acknowledged_and_does_not_run_again() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    broker.publish("7", "tea");
    broker.publish("7", "tea");
    broker.publish("8", "milk");
    counting(&engine(), &effects).run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!(effects.all(), [("milk".to_owned(), 1), ("tea".to_owned(), 1)]);
    assert_eq!(broker.completed().len(), 3);
}

#[tokio::test]
async fn an_acknowledgement_that_was_lost_is_repeated() {
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    broker.publish("7", "tea");
    broker.lose_verdicts(2);
    let handler = effects.clone();
    let consumer =
        ends.watch(Consumer::builder("shop.ship", &engine())).handler(move |it: String| {
            handler.add(&it);
            async { Ok::<_, String>(()) }
        });
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1));
    assert_eq!(ends.all(), [("7".to_owned(), DeliveryOutcome::Executed, Verdict::Completed)]);
}

#[tokio::test]
async fn the_order_of_deliveries_does_not_matter() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    broker.reverse();
    for number in 0..20 {
        broker.publish(format!("{}", number % 10), format!("{}", number % 10));
    }
    counting(&engine(), &effects).run(broker.source(), broker.until_settled(20)).await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1) && effects.all().len() == 10);
}

#[tokio::test]
async fn inside_the_handler_the_message_is_the_current_call() {
    let (broker, engine) = (TestBroker::new(), engine());
    let keys = Effects::default();
    let seen = keys.clone();
    let consumer = Consumer::builder("shop.ship", &engine).attempts(attempts(3)).handler(
        move |_: String, message: Message| {
            let seen = seen.clone();
            async move {
                let call = current().ok_or("there is no call")?;
                assert_eq!(call.record_id().operation(), "shop.ship");
                let tries = seen.add(&format!("{}={}", message.id(), call.derive("carrier")));
                // The second attempt derives the same key.
                if tries == 1 { Err("the carrier is down") } else { Ok(()) }
            }
        },
    );
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let keys = keys.all();
    assert_eq!((keys.len(), keys[0].1), (1, 2), "{keys:?}");
}

#[tokio::test]
async fn steps_that_are_done_are_not_repeated_by_the_next_attempt() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let seen = effects.clone();
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(3)).handler(move |_: String| {
            let seen = seen.clone();
            async move {
                let reserved = seen.clone();
                step("reserve", async move || {
                    reserved.add("reserved");
                    Ok::<_, Error>(())
                })
                .await
                .map_err(|error| error.to_string())?;
                if seen.add("attempt") == 1 {
                    Err("the carrier is down".to_owned())
                } else {
                    Ok(())
                }
            }
        });
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("reserved"), effects.of("attempt")), (1, 2));
    assert!(broker.parked().is_empty());
}

#[tokio::test]
async fn a_function_with_the_attribute_inside_is_a_call_of_its_own() {
    #[idempotent(key = order, name = "shop.charge")]
    async fn charge(order: String, effects: Effects) -> Result<u32, Error> {
        Ok(effects.add(&order))
    }

    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let (charged, tried) = (effects.clone(), Effects::default());
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(3)).handler(move |it: String| {
            let (charged, tried) = (charged.clone(), tried.clone());
            async move {
                let receipt = charge(it.clone(), charged).await.map_err(|it| it.to_string())?;
                if tried.add(&it) == 1 { Err("later".to_owned()) } else { Ok(receipt) }
            }
        });
    broker.publish("7", "inner-call");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("inner-call"), 1);
}

#[tokio::test]
async fn a_handler_that_panics_takes_nothing_down_and_runs_again() {
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine()).attempts(attempts(3)));
    let consumer = builder.handler(move |it: String| {
        let tries = seen.add(&it);
        async move {
            assert!(it != "bad" || tries > 1, "as it is told to");
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "bad");
    broker.publish("8", "good");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!((effects.of("bad"), effects.of("good")), (2, 1));
    assert_eq!(ends.count(DeliveryOutcome::Panicked), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_dropped_and_its_message_runs_again_after_the_lease() {
    let broker = TestBroker::with_deadline(millis(4000));
    let (effects, ends) = (Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine()).attempts(attempts(3));
    let builder = ends.watch(builder).lease(millis(1500)).max_run(millis(1000));
    let consumer = builder.handler(move |it: String| {
        let tries = seen.add(&it);
        async move {
            if tries == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("tea"), 2);
    assert_eq!(ends.outcomes()[0], DeliveryOutcome::TimedOut);
    assert_eq!(broker.stale_verdicts(), []);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_slower_than_the_deadline_keeps_its_message() {
    let broker = TestBroker::with_deadline(millis(1500));
    let (effects, finish) = (Effects::default(), Arc::new(Notify::new()));
    let (seen, finished) = (effects.clone(), Arc::clone(&finish));
    let consumer = Consumer::builder("shop.ship", &engine()).handler(move |it: String| {
        let (seen, finished) = (seen.clone(), Arc::clone(&finished));
        async move {
            seen.add(&it);
            finished.notified().await;
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "tea");
    let (first, second) = (broker.source(), broker.source());
    let running = [Running::start(&consumer, first), Running::start(&consumer, second)];
    tokio::time::sleep(millis(4500)).await;
    assert_eq!((effects.of("tea"), broker.deliveries()), (1, 1), "it was not kept alive");
    finish.notify_one();
    until(|| broker.unsettled() == 0).await;
    for consumer in running {
        consumer.stop().await.unwrap();
    }
    assert_eq!(effects.of("tea"), 1);
}

#[tokio::test]
async fn an_error_that_is_permanent_parks_the_message_at_once() {
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", &engine())
        .handler_with(|_: String| async { Err::<(), _>("nowhere to go") }, |_| Failure::Permanent);
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let parked = &broker.parked()[0];
    assert_eq!((parked.reason, parked.attempts), (ParkReason::Permanent, 1));
    assert_eq!(parked.error, "nowhere to go");
    assert_eq!(broker.deliveries(), 1);
}

#[tokio::test]
async fn a_payload_of_ten_megabytes_is_decoded_like_any_other() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer =
        Consumer::builder("shop.ship", &engine()).handler(move |Json(it): Json<Vec<u32>>| {
            seen.add(&it.len().to_string());
            async { Ok::<_, String>(()) }
        });
    let numbers = vec![1_000_000_000_u32; 1_000_000];
    broker.publish("7", serde_json::to_vec(&numbers).unwrap());
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("1000000"), 1);
}
