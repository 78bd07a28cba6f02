//! Messages that are put aside, and what becomes of their records.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use idempotent_core::consumer::{
    Consumer, DeliveryOutcome, Failure, FromMessage, Json, Message, ParkReason, Verdict,
};
use idempotent_core::engine::Resolution;
use idempotent_core::store::State;
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{ErrorKind, Guarantee};
use idempotent_tests::millis;

use crate::effects::{Effects, Ends, Running, attempts, counting, engine, until};

#[tokio::test]
async fn a_parked_message_runs_when_it_is_replayed_by_hand() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let (seen, is_down) = (effects.clone(), Arc::new(AtomicBool::new(true)));
    let carrier = Arc::clone(&is_down);
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(2)).handler(move |it: String| {
            seen.add(&it);
            let is_down = carrier.load(Ordering::SeqCst);
            async move { if is_down { Err("the carrier is down") } else { Ok(()) } }
        });
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.parked().len()), (2, 1));

    is_down.store(false, Ordering::SeqCst);
    assert!(broker.replay_parked("7"));
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed()), (3, vec!["7".to_owned()]));
}

#[tokio::test]
async fn a_replayed_message_has_all_of_its_attempts_again() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(2)).handler(
        move |it: String| {
            seen.add(&it);
            async { Err::<(), _>("the carrier is down") }
        },
    );
    broker.publish("7", "tea");
    for runs in [2, 4, 6] {
        consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
        assert_eq!(effects.of("tea"), runs);
        assert!(broker.replay_parked("7"));
    }
}

#[tokio::test]
async fn a_copy_whose_settlement_was_lost_is_parked_once_more_at_most_under_its_id() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(1)).handler(
        move |it: String| {
            seen.add(&it);
            async { Err::<(), _>("the carrier is down") }
        },
    );
    broker.publish("7", "tea");
    broker.lose_settlements(1);
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let parked = broker.parked();
    assert!(parked.len() == 2 && parked.iter().all(|it| it.message.id() == "7"));
    assert_eq!((effects.of("tea"), broker.unsettled()), (1, 0));
}

#[tokio::test]
async fn a_worker_that_dies_between_the_copy_and_the_settlement_runs_nothing_again() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let engine = engine();
    let consumer =
        Consumer::builder("shop.ship", &engine).attempts(attempts(2)).handler(move |it: String| {
            seen.add(&it);
            async { Err::<(), _>("the carrier is down") }
        });
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    // From here on the broker hears nothing, until the worker is dead.
    broker.lose_verdicts(usize::MAX);
    broker.redeliver("7");
    until(|| effects.of("tea") == 2).await;
    running.crash().await;
    broker.lose_verdicts(0);
    broker.crash_consumers();
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("tea"), 2, "its attempts were used up");
    assert_eq!(broker.parked()[0].reason, ParkReason::AttemptsUsedUp);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_parked_and_touches_no_record() {
    let (broker, engine) = (TestBroker::new(), engine());
    let consumer = Consumer::builder("shop.ship", &engine)
        .handler(|_: Json<Vec<u32>>| async { Ok::<_, String>(()) });
    broker.publish("7", r#"{"card":"4242-secret"}"#);
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let parked = &broker.parked()[0];
    assert_eq!((parked.reason, parked.attempts), (ParkReason::Undecodable, 0));
    assert!(!parked.error.contains("secret"), "{}", parked.error);
    let id = engine.record_id("shop.ship", None, "7").unwrap();
    assert!(engine.inspect(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_id_with_another_payload_is_parked_and_the_completed_record_stays() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let consumer = counting(&engine, &effects);
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    broker.publish("7", "milk");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!(effects.all(), [("tea".to_owned(), 1)]);
    assert_eq!(broker.parked()[0].reason, ParkReason::Mismatch);
    let id = engine.record_id("shop.ship", None, "7").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().unwrap().state(), State::Completed);
}

#[tokio::test]
async fn consumers_with_two_names_do_not_share_ids() {
    let (effects, engine) = (Effects::default(), engine());
    for name in ["shop.ship", "shop.bill"] {
        let (broker, seen) = (TestBroker::new(), effects.clone());
        broker.publish("7", name);
        let consumer = Consumer::builder(name, &engine).handler(move |it: String| {
            seen.add(&it);
            async { Ok::<_, String>(()) }
        });
        consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
        assert!(broker.parked().is_empty());
    }
    assert_eq!(effects.all().len(), 2);
}

#[tokio::test]
async fn a_message_without_its_key_is_parked() {
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", &engine())
        .key(|message: &Message| message.header("order").map(str::to_owned))
        .handler(|_: String| async { Ok::<_, String>(()) });
    broker.publish("7", "tea");
    broker.publish_message(Message::new("8", "orders", "milk").with_header("order", "order-8"));
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!(broker.completed(), ["8"]);
    assert_eq!(broker.parked()[0].reason, ParkReason::InvalidKey);
}

#[tokio::test]
async fn a_message_that_makes_its_key_its_scope_or_its_payload_panic_is_parked() {
    struct Bomb;
    impl FromMessage for Bomb {
        type Error = &'static str;
        fn from_message(_: &Message) -> Result<Self, Self::Error> {
            panic!("as it is told to")
        }
    }
    fn panics(message: &Message) -> String {
        assert!(message.id() != "7", "as it is told to");
        message.id().to_owned()
    }
    let builder = || Consumer::builder("shop.ship", &engine());
    let fine = |_: String| async { Ok::<_, String>(()) };
    for (consumer, reason) in [
        (builder().key(panics).handler(fine), ParkReason::InvalidKey),
        (builder().scope(panics).handler(fine), ParkReason::InvalidKey),
        (builder().handler(|_: Bomb| async { Ok::<_, String>(()) }), ParkReason::Undecodable),
    ] {
        let broker = TestBroker::new();
        broker.publish("7", "tea");
        consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
        assert_eq!((broker.parked()[0].reason, broker.parked()[0].attempts), (reason, 0));
    }
}

#[tokio::test]
async fn an_error_whose_meaning_panics_is_a_failed_attempt() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(2)).handler_with(
        move |it: String| {
            seen.add(&it);
            async { Err::<(), _>("the carrier is down") }
        },
        |_| panic!("as it is told to"),
    );
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.parked()[0].reason), (2, ParkReason::AttemptsUsedUp));
}

#[tokio::test]
async fn at_most_once_a_lost_answer_parks_the_message_until_somebody_resolves_it() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let (seen, ends) = (effects.clone(), Ends::default());
    let builder = Consumer::builder("shop.ship", &engine).guarantee(Guarantee::AtMostOnce);
    let consumer = ends.watch(builder).handler_with(
        move |it: String| {
            seen.add(&it);
            async { Err::<(), _>("the carrier's answer was lost") }
        },
        |_| Failure::Unknown,
    );
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(broker.parked()[0].reason, ParkReason::Indeterminate);

    // Nobody has resolved it yet.
    assert!(broker.replay_parked("7"));
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(broker.parked()[0].reason, ParkReason::Indeterminate);

    let id = engine.record_id("shop.ship", None, "7").unwrap();
    let record = engine.inspect(&id).await.unwrap().unwrap();
    engine.resolve(&record, Resolution::completed(())).await.unwrap();
    assert!(broker.replay_parked("7"));
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("tea"), broker.completed().len()), (1, 1));
    assert_eq!(ends.outcomes().last(), Some(&DeliveryOutcome::Replayed));
}

#[tokio::test]
async fn at_most_once_a_message_whose_worker_died_is_parked_and_does_not_run_again() {
    let broker = TestBroker::with_deadline(millis(400));
    let (engine, effects) = (engine(), Effects::default());
    let seen = effects.clone();
    let builder = Consumer::builder("shop.ship", &engine).guarantee(Guarantee::AtMostOnce);
    let consumer = builder.lease(millis(100)).handler(move |it: String| {
        seen.add(&it);
        std::future::pending::<Result<(), String>>()
    });
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    running.crash().await;
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(effects.of("tea"), 1);
    let parked = &broker.parked()[0];
    assert_eq!((parked.reason, parked.attempts), (ParkReason::Indeterminate, 1));
}

#[tokio::test]
async fn a_message_that_cannot_be_parked_makes_room_for_others() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(attempts(1))
        .concurrency(1)
        .handler(move |it: String| {
            seen.add(&it);
            async move { if it == "bad" { Err("it is no good") } else { Ok(()) } }
        });
    broker.publish("7", "bad");
    broker.lose_verdicts(6);
    broker.publish("8", "good");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!((effects.of("bad"), effects.of("good")), (1, 1));
    assert_eq!(broker.parked().len(), 1);
}

#[test]
fn a_payload_of_your_own_says_what_is_wrong_with_it() {
    #[derive(Debug)]
    struct Order(String);
    impl FromMessage for Order {
        type Error = &'static str;
        fn from_message(message: &Message) -> Result<Self, Self::Error> {
            message.header("order").map(|it| Self(it.to_owned())).ok_or("it has no order")
        }
    }
    let message = Message::new("7", "orders", "tea");
    assert_eq!(Order::from_message(&message).unwrap_err(), "it has no order");
    assert_eq!(Order::from_message(&message.with_header("order", "8")).unwrap().0, "8");
    assert!(Verdict::parked(ParkReason::Undecodable, ErrorKind::Decode.code()).is_final());
}
