//! What operators do: count, look at what was parked, retry and discard it; and what they see.

use idempotent_servers::{Server, require};
use idempotent_tests::millis;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::broker::{Broker, Fault, text};
use crate::database::{Database, numbers};

/// A broker that takes no even number.
fn odd() -> Broker {
    Broker::that(|message| {
        text(message).parse::<u32>().unwrap().is_multiple_of(2).then_some(Fault::Poison)
    })
}

#[tokio::test]
async fn parked_messages_are_listed_page_by_page_with_the_reason() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=6).await;
    database.relay(odd()).pass().await.unwrap();
    let outbox = database.outbox();

    let first = outbox.parked(None, 2).await.unwrap();
    let second = outbox.parked(first.last(), 2).await.unwrap();

    let texts: Vec<_> = first.iter().chain(&second).map(|parked| text(&parked.message)).collect();
    assert_eq!(texts, ["2", "4", "6"]);
    assert_eq!(first[0].reason, "the broker will never accept the message: never this one");
    assert_eq!(first[0].message.attempt, 2);
    assert!(first[0].parked_at >= first[0].message.published_at);
}

#[tokio::test]
async fn a_parked_message_is_retried_or_discarded_once() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=4).await;
    let broker = odd();
    database.relay(broker.clone()).pass().await.unwrap();
    let outbox = database.outbox();
    let parked = outbox.parked(None, 10).await.unwrap();

    assert!(outbox.retry(&parked[0]).await.unwrap());
    assert!(outbox.discard(&parked[1]).await.unwrap());
    assert!(!outbox.retry(&parked[0]).await.unwrap(), "it is not parked any more");
    assert!(!outbox.discard(&parked[0]).await.unwrap(), "it waits, and is not to be lost");
    assert!(!outbox.discard(&parked[1]).await.unwrap());
    broker.turn_to(|_| None);
    database.relay(broker.clone()).pass().await.unwrap();

    assert_eq!(broker.of("order-1"), ["1", "3", "2"]);
    assert_eq!(database.backlog().await, (0, 0));
    assert_eq!(broker.messages()[2].attempt, 1);
}

#[tokio::test]
async fn the_backlog_tells_how_much_waits_and_for_how_long() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let empty = database.outbox().backlog().await.unwrap();
    database.publish("order-1", 1..=3).await;
    database.relay(odd()).park_after(1).pass().await.unwrap();
    database.publish("order-1", numbers(2).iter().map(|number| number.parse().unwrap())).await;
    tokio::time::sleep(millis(20)).await;

    let backlog = database.outbox().backlog().await.unwrap();

    assert_eq!((empty.pending, empty.age, empty.parked), (0, None, 0));
    assert_eq!((backlog.pending, backlog.parked), (2, 1));
    assert!(backlog.age.unwrap() >= millis(20));
}

#[tokio::test]
async fn attempts_ages_and_parked_messages_are_counted() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=3).await;
    let recorder = DebuggingRecorder::new();
    let seen = recorder.snapshotter();
    let _here = metrics::set_default_local_recorder(&recorder);

    database.relay(odd()).pass().await.unwrap();

    let mut counted: Vec<_> = seen
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
            let times = match value {
                DebugValue::Counter(times) => times,
                DebugValue::Histogram(samples) => samples.len() as u64,
                DebugValue::Gauge(_) => 0,
            };
            (key.key().name().to_owned(), labels.concat(), times)
        })
        .collect();
    counted.sort();
    let counted: Vec<_> = counted.iter().map(|(name, label, n)| (&**name, &**label, *n)).collect();
    assert_eq!(
        counted,
        [
            ("idempotent_outbox_age_seconds", "", 2),
            ("idempotent_outbox_parked_total", "", 1),
            ("idempotent_outbox_publish_seconds", "delivered", 2),
            ("idempotent_outbox_publish_seconds", "poison", 1),
        ]
    );
}
