//! How relays deliver: in order, several at once, until they are stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::outbox::{Outbox, Relay};
use idempotent_servers::{Server, require};
use idempotent_tests::millis;
use tokio::runtime::Builder;

use crate::broker::{Broker, Fault, text};
use crate::database::{Database, Running, brisk, numbers, pool};

/// The keys that relays hold.
const HELD: &str = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted";

#[tokio::test]
async fn a_key_that_waits_long_is_delivered_in_turns_and_in_order() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    for number in 1..=30 {
        database.publish("order-1", [number]).await;
        database.publish("order-2", [number]).await;
    }

    let pass = database.relay(broker.clone()).batch(7).pass().await.unwrap();

    assert_eq!(pass.delivered, 60);
    assert_eq!(broker.of("order-1"), numbers(30));
    assert_eq!(broker.of("order-2"), numbers(30));
}

#[tokio::test]
async fn a_batch_of_one_comes_by_every_key() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    for key in 0..12 {
        database.publish(&format!("order-{key}"), 1..=3).await;
    }

    let pass = database.relay(broker.clone()).batch(0).pass().await.unwrap();

    assert_eq!(pass.delivered, 36);
    assert!((0..12).all(|key| broker.of(&format!("order-{key}")) == numbers(3)));
    // Not one key to its end, and then the next.
    let first: Vec<_> = broker.has().into_iter().take(12).map(|(_, text)| text).collect();
    assert_eq!(first, vec!["1"; 12]);
}

/// Statements are planned while the table is empty, and the plans kept for when it is not.
#[tokio::test]
async fn a_long_backlog_is_never_read_as_a_whole() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    database.server.sql("VACUUM ANALYZE idempotent.records_outbox").await;
    let relay = database.relay(Broker::new());
    for _ in 0..20 {
        relay.pass().await.unwrap();
    }
    let fill = "INSERT INTO idempotent.records_outbox \
                    (id, topic, key, payload, header_names, header_values) \
                SELECT gen_random_uuid(), 't', 'order-' || i % 500, '', '{}', '{}' \
                FROM generate_series(1, 2000) AS i";
    database.server.sql(fill).await;

    assert_eq!(relay.pass().await.unwrap().delivered, 2_000);

    // What a session has read is on record when it has ended.
    database.pool.close().await;
    let sessions = "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' \
                    AND pid <> pg_backend_pid()";
    while !database.server.sql(sessions).await.is_empty() {
        tokio::time::sleep(millis(5)).await;
    }
    let read = "SELECT seq_tup_read, idx_scan > 0 FROM pg_stat_user_tables \
                WHERE relname = 'records_outbox'";
    assert_eq!(database.server.sql(read).await, [[Some("0".to_owned()), Some("t".to_owned())]]);
}

#[tokio::test]
async fn a_running_relay_delivers_what_is_published_meanwhile() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    let relay = Running::start(database.relay(broker.clone()));

    database.publish("order-1", [1]).await;
    broker.until(|broker| broker.of("order-1") == numbers(1)).await;
    database.publish("order-1", [2]).await;
    broker.until(|broker| broker.of("order-1") == numbers(2)).await;

    relay.stop().await;
    assert_eq!(database.backlog().await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_relays_share_the_keys_and_deliver_each_message_once() {
    require!(Server::Postgres);
    let database = Database::new().await;
    for key in 0..20 {
        database.publish(&format!("order-{key}"), 1..=20).await;
    }
    let broker = Broker::new();
    let relays: Vec<_> =
        (0..4).map(|_| Running::start(database.relay(broker.clone()).batch(10))).collect();

    database.drained().await;
    for relay in relays {
        relay.stop().await;
    }

    assert_eq!(broker.has().len(), 400);
    assert!((0..20).all(|key| broker.of(&format!("order-{key}")) == numbers(20)));
}

#[tokio::test]
async fn a_relay_that_is_stopped_waits_for_what_is_on_its_way_and_begins_nothing() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", [1, 2, 3]).await;
    let open = Arc::new(tokio::sync::Semaphore::new(0));
    let (broker, gate) = (Broker::new(), Arc::clone(&open));
    let began = Arc::new(tokio::sync::Notify::new());
    let slow = Slow { broker: broker.clone(), began: Arc::clone(&began), gate };
    let relay = Running::start(database.relay(slow));
    began.notified().await;

    let stopped = relay.stop();
    let opened = async {
        tokio::time::sleep(millis(50)).await;
        open.add_permits(10);
    };
    tokio::join!(stopped, opened);

    assert_eq!(broker.of("order-1"), numbers(1));
    assert_eq!(database.backlog().await, (2, 0), "what was delivered is written down");
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
    let database = Database::new().await;
    let broker = Broker::new();
    let relay = Running::start(
        Relay::new(database.outbox(), broker.clone()).poll(Duration::from_secs(3600)),
    );
    database.publish("order-1", [1]).await;
    broker.until(|broker| broker.has().len() == 1 || broker.attempts().is_empty()).await;

    let began = Instant::now();
    relay.stop().await;

    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_relay_that_is_dropped_half_way_leaves_its_messages_to_the_next() {
    require!(Server::Postgres);
    let database = Database::new().await;
    database.publish("order-1", [1, 2]).await;
    let silent = Broker::that(|message| (text(message) == "2").then_some(Fault::Silent));
    let hour = Duration::from_secs(3600);
    let relay = Running::start(database.relay(silent.clone()).deadline(hour));
    silent.until(|broker| broker.attempts().len() == 2).await;

    relay.abort().await;
    // On connections of its own: a lock is no obstacle to the connection that holds it.
    let other = Outbox::new(database.another_pool().await);
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
    let database = Database::new().await;
    database.publish("order-1", [1]).await;
    let silent = Broker::that(|_| Some(Fault::Silent));
    let first = Running::start(database.relay(silent.clone()));
    silent.until(|broker| broker.attempts().len() == 1).await;
    database.publish("order-2", [1]).await;
    let broker = Broker::new();

    let pass = database.relay(broker.clone()).pass().await.unwrap();

    assert_eq!((pass.delivered, broker.of("order-1")), (1, vec![]));
    first.abort().await;
}

/// A database whose transactions see one moment, unless they say otherwise: a relay that waited for
/// another one's commit would deliver again what it delivered.
#[tokio::test]
async fn the_databases_default_isolation_is_not_the_relays() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    let settings = "ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'";
    database.server.sql(settings).await;
    database.server.sql("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    database.publish("order-1", [1, 2]).await;
    let broker = Broker::new();
    let outbox = Outbox::new(pool(&database.server.url()).await);

    let pass = brisk(outbox, broker.clone()).pass().await.unwrap();

    assert_eq!((pass.delivered, broker.of("order-1")), (2, numbers(2)));
}

/// The relay is frozen at the broker, and all of its runtime with it. It says nothing to the database, which
/// takes its keys away; and when it comes back it does not go on.
#[tokio::test]
async fn a_relay_that_freezes_loses_its_keys_and_does_not_go_on() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    database.publish("order-1", [1, 2]).await;
    let (thaw, frozen) = std::sync::mpsc::channel::<()>();
    let frozen = std::sync::Mutex::new(frozen);
    let freezes = Broker::that(move |_| {
        let _ = frozen.lock().unwrap().recv();
        None
    });
    // On a thread of its own: a thread that blocks keeps what was woken on it from all others.
    let threads = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (url, freezing) = (database.url.clone(), freezes.clone());
    let first = Running::on(threads.handle(), async move {
        let relay = brisk(Outbox::new(pool(&url).await), freezing);
        relay.deadline(millis(100)).response_timeout(millis(500))
    });
    while database.server.sql(HELD).await.is_empty() {
        tokio::time::sleep(millis(5)).await;
    }

    let broker = Broker::new();
    let next = Running::start(database.relay(broker.clone()));
    broker.until(|broker| broker.of("order-1") == numbers(2)).await;
    assert!(freezes.attempts().is_empty(), "it is not back yet");
    drop(thaw);
    freezes.until(|broker| !broker.attempts().is_empty()).await;
    first.stop().await;
    next.stop().await;
    threads.shutdown_background();

    assert_eq!(freezes.attempts(), [("1".to_owned(), 1)]);
    assert_eq!(database.backlog().await, (0, 0));
}
