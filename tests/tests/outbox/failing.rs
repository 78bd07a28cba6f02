//! What becomes of messages that fail: tried again, waited for, put aside; and of relays whose database
//! fails.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::outbox::OutboxErrorKind;
use idempotent_servers::{Server, TcpProxy, require};
use idempotent_tests::{Log, millis};

use crate::broker::{Broker, Fault, text};
use crate::database::{Database, Running, brisk, numbers, pool};

/// A pause is any part of its longest, and so of forty some would be over within seconds of an hour.
const YEARS: Duration = Duration::from_secs(9 * 365 * 86_400);

#[tokio::test]
async fn a_refused_message_is_parked_in_the_end_and_its_key_goes_on() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let (log, _listening) = Log::listen();
    database.publish("order-1", 1..=3).await;
    database.publish("order-2", 1..=3).await;
    let broker = Broker::that(|message| {
        (message.key == "order-1" && text(message) == "2").then_some(Fault::Refused)
    });

    let relay = Running::start(database.relay(broker.clone()).park_after(3));
    broker.until(|broker| broker.of("order-1").contains(&"3".to_owned())).await;
    relay.stop().await;

    assert_eq!(broker.of("order-1"), ["1", "3"]);
    assert_eq!(broker.of("order-2"), numbers(3));
    let tried: Vec<_> = broker.attempts().into_iter().filter(|(text, _)| text == "2").collect();
    let attempts: Vec<_> = tried.iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [1, 1, 2, 3], "order-2's, and three of order-1's: {tried:?}");
    assert_eq!(database.backlog().await, (0, 1));
    let events = log.events("is parked");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].field("topic"), crate::database::TOPIC);
}

#[tokio::test]
async fn poison_is_parked_at_once() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let broker = Broker::that(|message| (text(message) == "1").then_some(Fault::Poison));

    let pass = database.relay(broker.clone()).pass().await.unwrap();

    assert_eq!((pass.delivered, pass.refused, pass.parked), (1, 1, 1));
    assert_eq!(broker.of("order-1"), ["2"]);
}

#[tokio::test]
async fn a_key_that_fails_waits_and_the_others_do_not() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let broker = Broker::that(|message| (message.key == "order-1").then_some(Fault::Refused));
    let relay = database.relay(broker.clone()).backoff(YEARS, YEARS);

    relay.pass().await.unwrap();
    database.publish("order-2", 1..=2).await;
    relay.pass().await.unwrap();

    assert_eq!(broker.of("order-2"), numbers(2));
    let tried: Vec<_> = broker.attempts().into_iter().take(1).collect();
    assert_eq!(tried, [("1".to_owned(), 1)]);
    assert_eq!(broker.attempts().len(), 3, "it was tried once, for all that a pause is random");
}

#[tokio::test]
async fn a_broker_that_is_down_parks_nothing_however_long() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    database.publish("order-2", 1..=2).await;
    let broker = Broker::that(|_| Some(Fault::Unavailable));
    let relay = Running::start(database.relay(broker.clone()).park_after(1));
    broker.until(|broker| broker.attempts().len() > 20).await;

    broker.turn_to(|_| None);
    broker.until(|broker| broker.has().len() == 4).await;
    relay.stop().await;

    assert_eq!((broker.of("order-1"), broker.of("order-2")), (numbers(2), numbers(2)));
    assert_eq!(database.backlog().await, (0, 0));
}

#[tokio::test]
async fn one_topic_that_is_down_parks_nothing_and_holds_up_no_other_key() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let broker = Broker::that(|message| (message.key == "order-1").then_some(Fault::Unavailable));
    let relay = Running::start(database.relay(broker.clone()).park_after(1));
    for number in 1..=10 {
        database.publish("order-2", [number]).await;
        broker.until(|broker| broker.of("order-2").len() as u32 == number).await;
    }

    broker.turn_to(|_| None);
    broker.until(|broker| broker.of("order-1") == numbers(2)).await;
    relay.stop().await;

    assert_eq!(database.backlog().await, (0, 0));
}

/// Pauses that doubled with every attempt would keep it waiting for a minute.
#[tokio::test]
async fn a_broker_that_was_down_for_long_gets_its_messages_at_once() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", [1]).await;
    let broker = Broker::that(|_| Some(Fault::Unavailable));
    let minute = Duration::from_secs(60);
    let relay = Running::start(database.relay(broker.clone()).backoff(millis(50), minute));
    broker.until(|broker| broker.attempts().len() > 10).await;

    broker.turn_to(|_| None);
    broker.until(|broker| broker.of("order-1") == numbers(1)).await;
    relay.stop().await;

    let last = broker.attempts().pop().unwrap();
    assert!(last.1 <= 3, "what a broker that is down does not take is not on record: {last:?}");
}

#[tokio::test]
async fn a_topic_that_is_down_for_many_keys_is_not_asked_for_them_over_and_over() {
    require!(Server::Postgres);
    let database = Database::new().await;
    for key in 0..40 {
        database.publish(&format!("order-{key}"), [0]).await;
    }
    database.publish("z", [1]).await;
    let broker = Broker::that(|message| (message.key != "z").then_some(Fault::Unavailable));

    let relay = Running::start(database.relay(broker.clone()).batch(5).backoff(YEARS, YEARS));
    broker.until(|broker| broker.of("z") == numbers(1)).await;
    for number in 2..=5 {
        database.publish("z", [number]).await;
        broker.until(|broker| broker.of("z").len() as u32 == number).await;
    }
    relay.stop().await;

    let down = broker.attempts().iter().filter(|(text, _)| text == "0").count();
    assert_eq!((down, database.backlog().await), (40, (40, 0)));
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_comes_again_under_the_same_id() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let lost = AtomicU32::new(0);
    let broker = Broker::that(move |_| {
        (lost.fetch_add(1, Ordering::SeqCst) == 0).then_some(Fault::AnswerLost)
    });

    let relay = Running::start(database.relay(broker.clone()));
    broker.until(|broker| broker.has().len() == 3).await;
    relay.stop().await;

    assert_eq!(broker.of("order-1"), ["1", "1", "2"]);
    let messages = broker.messages();
    assert_eq!(messages[0].id, messages[1].id);
    assert_ne!(messages[1].id, messages[2].id);
}

#[tokio::test]
async fn a_broker_that_does_not_answer_holds_a_message_no_longer_than_its_deadline() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", [1]).await;
    database.publish("order-2", [1]).await;
    let broker = Broker::that(|message| (message.key == "order-1").then_some(Fault::Silent));

    let pass = database.relay(broker.clone()).deadline(millis(50)).pass().await.unwrap();

    assert_eq!(broker.of("order-2"), numbers(1));
    assert!(pass.unavailable >= 1);
    assert_eq!((pass.parked, database.backlog().await), (0, (1, 0)));
}

#[tokio::test]
async fn a_publisher_that_panics_refuses_its_message_and_takes_no_other_along() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=3).await;
    database.publish("order-2", 1..=3).await;
    let broker = Broker::that(|message| {
        (message.key == "order-1" && text(message) == "2").then_some(Fault::Panic)
    });

    let relay = Running::start(database.relay(broker.clone()).park_after(2));
    broker.until(|broker| broker.has().len() == 5).await;
    relay.stop().await;

    assert_eq!(
        (broker.of("order-1"), broker.of("order-2")),
        (vec!["1".into(), "3".into()], numbers(3))
    );
    assert_eq!(database.backlog().await, (0, 1));
}

#[tokio::test]
async fn a_relay_outlives_its_database() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    let broker = Broker::new();
    let relay = Running::start(database.relay(broker.clone()));
    database.publish("order-1", [1]).await;
    broker.until(|broker| broker.has().len() == 1).await;

    database.server.restart().await;
    let again = pool(&database.server.url()).await;
    let mut tx = again.begin().await.unwrap();
    idempotent_core::outbox::publish(&mut tx, "t", "order-1", "2").await.unwrap();
    tx.commit().await.unwrap();

    broker.until(|broker| broker.of("order-1").contains(&"2".to_owned())).await;
    relay.stop().await;
}

/// The commit that forgets the message is carried out, or not; the relay hears of neither.
#[tokio::test]
async fn a_relay_whose_answers_are_lost_delivers_again_and_loses_nothing() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    let proxy = TcpProxy::start(database.server.address()).await;
    let through = pool(&database.server.url_at(proxy.address())).await;
    database.publish("order-1", 1..=5).await;
    let broker = Broker::new();
    let relay = Running::start(
        brisk(idempotent_core::outbox::Outbox::new(through), broker.clone())
            .batch(1)
            .response_timeout(millis(300)),
    );
    for _ in 0..4 {
        proxy.drop_next_reply();
        while proxy.is_armed() {
            tokio::time::sleep(millis(2)).await;
        }
    }

    broker.until(|broker| broker.of("order-1").contains(&"5".to_owned())).await;
    database.drained().await;
    relay.stop().await;

    let mut came = broker.of("order-1");
    came.dedup();
    assert_eq!(came, numbers(5), "each came before the next one, however often");
}

#[tokio::test]
async fn a_pass_says_that_the_database_cannot_be_asked() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let relay = database.relay(Broker::new());
    sqlx::query("DROP TABLE idempotent.records_outbox").execute(&database.pool).await.unwrap();

    let error = relay.pass().await.unwrap_err();

    assert_eq!(error.kind(), OutboxErrorKind::Database);
}
