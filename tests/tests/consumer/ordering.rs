//! Messages of one ordering key run one after the other, and the others go on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use idempotent_core::consumer::{Consumer, ConsumerBuilder, DeliveryOutcome, Message, ParkReason};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::{millis, secs};
use tokio::sync::watch;

use crate::effects::{Effects, Ends, Running, attempts, engine, until};

/// A consumer whose messages `a1`, `a2`, … are of the key `a`.
fn ordered() -> ConsumerBuilder {
    let key = |message: &Message| message.id().get(..1).map(str::to_owned);
    Consumer::builder("shop.ship", &engine()).ordered_by(key)
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_key_run_one_after_the_other_in_their_order() {
    let (broker, ran) = (TestBroker::new(), Arc::new(Mutex::new(Vec::new())));
    let (noted, running) = (Arc::clone(&ran), Arc::new(Mutex::new(BTreeMap::<char, u32>::new())));
    let now = Arc::clone(&running);
    let consumer = ordered().concurrency(16).handler(move |id: String| {
        let (noted, now) = (Arc::clone(&noted), Arc::clone(&now));
        async move {
            let key = id.chars().next().unwrap();
            let at_once = {
                let mut now = now.lock().unwrap();
                let running = now.entry(key).or_default();
                *running += 1;
                *running
            };
            assert_eq!(at_once, 1, "two of {key} run at once");
            tokio::time::sleep(millis(30)).await;
            *now.lock().unwrap().get_mut(&key).unwrap() -= 1;
            noted.lock().unwrap().push(id);
            Ok::<_, String>(())
        }
    });
    for number in 0..9 {
        for key in ["a", "b", "c"] {
            broker.publish(format!("{key}{number}"), format!("{key}{number}"));
        }
    }
    consumer.run(broker.source(), broker.until_settled(27)).await.unwrap();
    let ran = ran.lock().unwrap().clone();
    for key in ["a", "b", "c"] {
        let of_key: Vec<_> = ran.iter().filter(|id| id.starts_with(key)).collect();
        let expected: Vec<_> = (0..9).map(|number| format!("{key}{number}")).collect();
        assert_eq!(of_key, expected.iter().collect::<Vec<_>>());
    }
    assert!(broker.parked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_is_not_overtaken_by_those_of_its_key() {
    let (broker, ran, tries) = (TestBroker::new(), Arc::default(), Effects::default());
    let (noted, tried): (Arc<Mutex<Vec<String>>>, _) = (Arc::clone(&ran), tries.clone());
    let consumer = ordered().attempts(attempts(5)).handler(move |id: String| {
        let (noted, try_number) = (Arc::clone(&noted), tried.add(&id));
        async move {
            if id == "a1" && try_number < 4 {
                return Err("the carrier is down");
            }
            noted.lock().unwrap().push(id);
            Ok(())
        }
    });
    for id in ["a1", "a2", "b1", "a3", "b2"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(5)).await.unwrap();
    let ran = ran.lock().unwrap().clone();
    let of_a: Vec<_> = ran.iter().filter(|id| id.starts_with('a')).collect();
    assert_eq!(of_a, ["a1", "a2", "a3"]);
    assert_eq!(ran[..2], ["b1", "b2"], "the other key was held up");
    assert_eq!(tries.of("a2"), 1);
}

#[tokio::test(start_paused = true)]
async fn once_a_message_is_parked_its_key_goes_on() {
    let broker = TestBroker::new();
    let consumer = ordered().attempts(attempts(2)).handler(|id: String| async move {
        if id == "a1" { Err("it is no good") } else { Ok(()) }
    });
    for id in ["a1", "a2", "a3"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!((broker.completed(), broker.parked().len()), (vec!["a2".into(), "a3".into()], 1));
}

#[tokio::test]
async fn a_stuck_key_does_not_hold_up_the_others() {
    let (broker, ends) = (TestBroker::with_deadline(secs(300)), Ends::default());
    let (effects, finish) = (Effects::default(), watch::Sender::new(false));
    let (seen, finished) = (effects.clone(), finish.subscribe());
    let consumer = ends.watch(ordered()).concurrency(4).handler(move |id: String| {
        let (seen, mut finished) = (seen.clone(), finished.clone());
        async move {
            if id == "a0" {
                let _ = finished.wait_for(|it| *it).await;
            }
            seen.add(&id);
            Ok::<_, String>(())
        }
    });
    for number in 0..30 {
        broker.publish(format!("a{number}"), format!("a{number}"));
    }
    for number in 0..10 {
        broker.publish(format!("b{number}"), format!("b{number}"));
    }
    let running = Running::start(&consumer, broker.source());
    until(|| effects.all().iter().filter(|(id, _)| id.starts_with('b')).count() == 10).await;
    assert!(effects.all().iter().all(|(id, _)| id.starts_with('b')), "{:?}", effects.all());
    finish.send_replace(true);
    tokio::time::timeout(secs(120), broker.until_settled(40)).await.unwrap();
    running.stop().await.unwrap();
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
    assert_eq!(ends.count(DeliveryOutcome::Executed), 40);
    assert!(broker.parked().is_empty());
}

#[tokio::test]
async fn what_waits_for_its_turn_is_given_back_when_the_consumer_stops() {
    let (broker, ends) = (TestBroker::with_deadline(secs(300)), Ends::default());
    let (effects, finish) = (Effects::default(), watch::Sender::new(false));
    let (seen, finished) = (effects.clone(), finish.subscribe());
    let consumer = ends.watch(ordered()).handler(move |id: String| {
        let (seen, mut finished) = (seen.clone(), finished.clone());
        async move {
            seen.add(&id);
            let _ = finished.wait_for(|it| *it).await;
            Ok::<_, String>(())
        }
    });
    for id in ["a1", "a2"] {
        broker.publish(id, id);
    }
    let mut running = Running::start(&consumer, broker.source());
    until(|| effects.of("a1") == 1 && broker.deliveries() == 2).await;
    running.tell_to_stop();
    until(|| ends.count(DeliveryOutcome::GivenBack) == 1).await;
    finish.send_replace(true);
    running.stop().await.unwrap();
    assert_eq!((broker.completed(), effects.of("a2")), (vec!["a1".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_key_waits_for_nobody_and_one_whose_key_panics_is_parked() {
    let broker = TestBroker::new();
    let builder =
        Consumer::builder("shop.ship", &engine()).ordered_by(|message| match message.id() {
            "none" => None,
            "panics" => panic!("as it is told to"),
            _ => Some("a".to_owned()),
        });
    let consumer = builder.attempts(attempts(1)).handler(|_: String| async { Ok::<_, String>(()) });
    for id in ["none", "panics", "a1"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    let parked = broker.parked();
    assert_eq!((parked.len(), parked[0].reason), (1, ParkReason::InvalidKey));
    assert_eq!(parked[0].message.id(), "panics");
}
