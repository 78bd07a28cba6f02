//! How relays deliver: in order, several at once, until they are stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::outbox::{Outbox, Relay};
use idempotent_servers::{Server, require};
use idempotent_tests::millis;

use crate::broker::{Broker, Fault, text};
use crate::scene::{Running, Scene, brisk, numbers, pool};

/// The keys that relays hold.
const HELD: &str = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted";

#[tokio::test]
async fn a_key_that_waits_long_is_delivered_in_turns_and_in_order() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    let broker = Broker::new();
    for number in 1..=30 {
        scene.publish("order-1", [number]).await;
        scene.publish("order-2", [number]).await;
    }

    let pass = scene.relay(broker.clone()).batch(7).pass().await.unwrap();

    assert_eq!(pass.delivered, 60);
    assert_eq!(broker.of("order-1"), numbers(30));
    assert_eq!(broker.of("order-2"), numbers(30));
}

#[tokio::test]
async fn a_batch_of_one_comes_by_every_key() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    let broker = Broker::new();
    for key in 0..12 {
        scene.publish(&format!("order-{key}"), 1..=3).await;
    }

    let pass = scene.relay(broker.clone()).batch(0).pass().await.unwrap();

    assert_eq!(pass.delivered, 36);
    assert!((0..12).all(|key| broker.of(&format!("order-{key}")) == numbers(3)));
    // Not one key to its end, and then the next.
    let first: Vec<_> = broker.has().into_iter().take(12).map(|(_, text)| text).collect();
    assert_eq!(first, vec!["1"; 12]);
}

#[tokio::test]
async fn a_running_relay_delivers_what_is_published_meanwhile() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    let broker = Broker::new();
    let relay = Running::start(scene.relay(broker.clone()));

    scene.publish("order-1", [1]).await;
    broker.until(|broker| broker.of("order-1") == numbers(1)).await;
    scene.publish("order-1", [2]).await;
    broker.until(|broker| broker.of("order-1") == numbers(2)).await;

    relay.stop().await;
    assert_eq!(scene.backlog().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_relays_share_the_keys_and_deliver_each_message_once() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    for key in 0..20 {
        scene.publish(&format!("order-{key}"), 1..=20).await;
    }
    let broker = Broker::new();
    let relays: Vec<_> =
        (0..4).map(|_| Running::start(scene.relay(broker.clone()).batch(10))).collect();

    scene.drained().await;
    for relay in relays {
        relay.stop().await;
    }

    assert_eq!(broker.has().len(), 400);
    assert!((0..20).all(|key| broker.of(&format!("order-{key}")) == numbers(20)));
}

#[tokio::test]
async fn a_relay_that_is_stopped_waits_for_what_is_on_its_way_and_begins_nothing() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    scene.publish("order-1", [1, 2, 3]).await;
    let open = Arc::new(tokio::sync::Semaphore::new(0));
    let (broker, gate) = (Broker::new(), Arc::clone(&open));
    let began = Arc::new(tokio::sync::Notify::new());
    let slow = Slow { broker: broker.clone(), began: Arc::clone(&began), gate };
    let relay = Running::start(scene.relay(slow));
    began.notified().await;

    let stopped = relay.stop();
    let opened = async {
        tokio::time::sleep(millis(50)).await;
        open.add_permits(10);
    };
    tokio::join!(stopped, opened);

    assert_eq!(broker.of("order-1"), numbers(1));
    assert_eq!(scene.backlog().await, (2, 0), "what was delivered is written down");
}

/// A broker that waits at a gate.
struct Slow {
    broker: Broker,
    began: Arc<tokio::sync::Notify>,
    gate: Arc<tokio::sync::Semaphore>,
}

#[async_trait::async_trait]
impl idempotent_core::outbox::Publish for Slow {
    async fn publish(
        &self,
        message: &idempotent_core::outbox::Message,
    ) -> Result<(), idempotent_core::outbox::PublishError> {
        self.began.notify_one();
        drop(self.gate.acquire().await);
        self.broker.publish(message).await
    }
}

#[tokio::test]
async fn an_idle_relay_stops_at_once() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    let broker = Broker::new();
    let relay =
        Running::start(Relay::new(scene.outbox(), broker.clone()).poll(Duration::from_secs(3600)));
    scene.publish("order-1", [1]).await;
    broker.until(|broker| broker.has().len() == 1 || broker.attempts().is_empty()).await;

    let began = Instant::now();
    relay.stop().await;

    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_relay_that_is_dropped_half_way_leaves_its_messages_to_the_next() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    scene.publish("order-1", [1, 2]).await;
    let silent = Broker::that(|message| (text(message) == "2").then_some(Fault::Silent));
    let hour = Duration::from_secs(3600);
    let relay = Running::start(scene.relay(silent.clone()).deadline(hour));
    silent.until(|broker| broker.attempts().len() == 2).await;

    relay.abort().await;
    // On connections of its own: a lock is no obstacle to the connection that holds it.
    let other = Outbox::new(scene.another_pool().await);
    let broker = Broker::new();
    let next = Running::start(brisk(other, broker.clone()));
    broker.until(|broker| broker.has().len() == 2).await;
    next.stop().await;

    // The first one had delivered it, and did not get to say so.
    assert_eq!(silent.of("order-1"), numbers(1));
    assert_eq!(broker.of("order-1"), numbers(2));
    assert_eq!(silent.messages()[0].id, broker.messages()[0].id);
}

/// While the first relay is at the broker, the second finds the key taken. Were it not, it would deliver
/// the message too.
#[tokio::test]
async fn a_key_that_one_relay_delivers_is_no_other_ones() {
    require!(Server::Postgres);
    let scene = Scene::new().await;
    scene.publish("order-1", [1]).await;
    let silent = Broker::that(|_| Some(Fault::Silent));
    let first = Running::start(scene.relay(silent.clone()));
    silent.until(|broker| broker.attempts().len() == 1).await;
    scene.publish("order-2", [1]).await;
    let broker = Broker::new();

    let pass = scene.relay(broker.clone()).pass().await.unwrap();

    assert_eq!((pass.delivered, broker.of("order-1")), (1, vec![]));
    first.abort().await;
}

/// A database whose transactions see one moment, unless they say otherwise: a relay that waited for
/// another one's commit would deliver again what it delivered.
#[tokio::test]
async fn the_databases_default_isolation_is_not_the_relays() {
    require!(Server::Postgres);
    let scene = Scene::alone().await;
    let settings = "ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'";
    scene.server.sql(settings).await;
    scene.server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    scene.publish("order-1", [1, 2]).await;
    let broker = Broker::new();
    let outbox = Outbox::new(pool(&scene.server.url()).await);

    let pass = brisk(outbox, broker.clone()).pass().await.unwrap();

    assert_eq!((pass.delivered, broker.of("order-1")), (2, numbers(2)));
}

/// The relay is frozen at the broker. It says nothing to the database, which takes its keys away; and when
/// it comes back it does not go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_relay_that_freezes_loses_its_keys_and_does_not_go_on() {
    require!(Server::Postgres);
    let scene = Scene::alone().await;
    scene.publish("order-1", [1, 2]).await;
    let (thaw, frozen) = std::sync::mpsc::channel::<()>();
    let frozen = std::sync::Mutex::new(frozen);
    let freezes = Broker::that(move |_| {
        let _ = frozen.lock().unwrap().recv();
        None
    });
    let relay = scene.relay(freezes.clone()).deadline(millis(100)).response_timeout(millis(500));
    let first = Running::start(relay);
    while scene.server.sql(HELD).await.is_empty() {
        tokio::time::sleep(millis(5)).await;
    }

    let broker = Broker::new();
    let next = Running::start(scene.relay(broker.clone()));
    broker.until(|broker| broker.of("order-1") == numbers(2)).await;
    assert!(freezes.attempts().is_empty(), "it is not back yet");
    drop(thaw);
    freezes.until(|broker| !broker.attempts().is_empty()).await;
    first.stop().await;
    next.stop().await;

    assert_eq!(freezes.attempts(), [("1".to_owned(), 1)]);
    assert_eq!(scene.backlog().await, (0, 0));
}
