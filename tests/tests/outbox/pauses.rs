//! How long a relay waits, and how often it says so.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use idempotent_servers::{Server, require};
use idempotent_tests::{Log, millis};

use crate::broker::{Broker, Fault};
use crate::database::{Database, Running};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_broker_that_asks_for_a_pause_is_not_asked_earlier() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let broker = Broker::that(|message| (message.key == "order-1").then_some(Fault::Busy(HOUR)));

    let relay = Running::start(database.relay(broker.clone()));
    for number in 1..=20 {
        database.publish("order-2", [number]).await;
        broker.until(|broker| broker.of("order-2").len() as u32 == number).await;
    }
    relay.stop().await;

    assert_eq!(broker.attempts().len(), 21, "order-1's once: {:?}", broker.attempts());
}

#[tokio::test]
async fn a_broker_that_was_down_and_then_asks_for_a_pause_is_not_asked_earlier() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", 1..=2).await;
    let attempts = AtomicU32::new(0);
    let broker = Broker::that(move |_| {
        let attempt = attempts.fetch_add(1, Ordering::SeqCst);
        Some(if attempt < 10 { Fault::Unavailable } else { Fault::Busy(HOUR) })
    });

    let relay = Running::start(database.relay(broker.clone()));
    broker.until(|broker| broker.attempts().len() == 11).await;
    tokio::time::sleep(millis(500)).await;
    relay.stop().await;

    assert_eq!(broker.attempts().len(), 11);
}

#[tokio::test]
async fn a_broker_that_stays_down_is_mentioned_ever_less_often() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let (log, _listening) = Log::listen();
    database.publish("order-1", [1]).await;
    let broker = Broker::that(|_| Some(Fault::Unavailable));

    let relay = Running::start(database.relay(broker.clone()));
    broker.until(|broker| broker.attempts().len() > 40).await;
    relay.stop().await;

    let events = log.events("answered to no message");
    assert!((1..=7).contains(&events.len()), "{} of 40 times", events.len());
}
