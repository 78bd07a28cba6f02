//! What is published, and when: with its transaction, in the order of commits, under an id that stays.

use std::time::{Duration, SystemTime};

use idempotent_core::outbox::{self, Draft, MessageId, OutboxErrorKind};
use idempotent_core::{Error, Operation};
use idempotent_servers::{Server, require};
use idempotent_tests::{engine, millis};
use sqlx::{Acquire, PgPool};

use crate::broker::{Broker, text};
use crate::database::{Database, Running, TOPIC, numbers};

#[tokio::test]
async fn a_committed_message_is_delivered_and_one_that_rolled_back_is_not() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    let mut gone = database.pool.begin().await.unwrap();
    outbox::publish(&mut gone, TOPIC, "order-1", "gone").await.unwrap();
    gone.rollback().await.unwrap();
    let mut dropped = database.pool.begin().await.unwrap();
    outbox::publish(&mut dropped, TOPIC, "order-1", "dropped").await.unwrap();
    drop(dropped);
    database.publish("order-1", [1]).await;

    let pass = database.relay(broker.clone()).pass().await.unwrap();

    assert_eq!(broker.has(), [("order-1".to_owned(), "1".to_owned())]);
    assert_eq!((pass.delivered, database.backlog().await), (1, (0, 0)));
}

#[tokio::test]
async fn what_a_savepoint_takes_back_is_not_delivered() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    let mut tx = database.pool.begin().await.unwrap();
    outbox::publish(&mut tx, TOPIC, "order-1", "1").await.unwrap();
    let mut part = tx.begin().await.unwrap();
    outbox::publish(&mut part, TOPIC, "order-1", "taken back").await.unwrap();
    part.rollback().await.unwrap();
    outbox::publish(&mut tx, TOPIC, "order-1", "2").await.unwrap();
    tx.commit().await.unwrap();

    database.relay(broker.clone()).pass().await.unwrap();

    assert_eq!(broker.of("order-1"), numbers(2));
}

#[tokio::test]
async fn nothing_is_delivered_before_its_transaction_commits() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    let relay = database.relay(broker.clone());
    let mut tx = database.pool.begin().await.unwrap();
    outbox::publish(&mut tx, TOPIC, "order-1", "1").await.unwrap();

    assert_eq!(relay.pass().await.unwrap().delivered, 0);
    tx.commit().await.unwrap();

    assert_eq!(relay.pass().await.unwrap().delivered, 1);
}

/// The transaction that published first commits last. Were numbers drawn without holding the key, its
/// message would have the lower one, and come after a higher one was delivered.
#[tokio::test]
async fn a_key_is_held_until_its_transaction_ends_and_others_are_not() {
    require!(Server::Postgres);
    let database = Database::alone().await;
    let broker = Broker::new();
    let relay = database.relay(broker.clone());
    let mut slow = database.pool.begin().await.unwrap();
    outbox::publish(&mut slow, TOPIC, "order-1", "1").await.unwrap();
    let pool = database.pool.clone();
    let quick = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        outbox::publish(&mut tx, TOPIC, "order-1", "2").await.unwrap();
        tx.commit().await.unwrap();
    });
    let waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while database.server.sql(waits).await.is_empty() {
        assert!(!quick.is_finished(), "it did not wait for the key");
        tokio::time::sleep(millis(5)).await;
    }

    database.publish("order-2", [1]).await;
    relay.pass().await.unwrap();
    assert_eq!(broker.has(), [("order-2".to_owned(), "1".to_owned())]);
    slow.commit().await.unwrap();
    quick.await.unwrap();
    relay.pass().await.unwrap();

    assert_eq!(broker.of("order-1"), numbers(2));
}

/// Each transaction draws a number from a counter of its key after it has published, and holds the
/// counter until it ends: these numbers are in the order of commits. Some roll back, and give theirs back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_order_of_commits_is_the_order_of_delivery_under_concurrent_publishers() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let counters =
        "CREATE TABLE counters AS SELECT 'key-' || i AS key, 0 AS n FROM generate_series(0, 4) i";
    sqlx::query(counters).execute(&database.pool).await.unwrap();
    let broker = Broker::new();
    let relays: Vec<_> = (0..2).map(|_| Running::start(database.relay(broker.clone()))).collect();

    let publishers: Vec<_> = (0..8)
        .map(|publisher| tokio::spawn(publish_and_count(database.pool.clone(), publisher)))
        .collect();
    let mut committed = Vec::new();
    for publisher in publishers {
        committed.extend(publisher.await.unwrap());
    }
    database.drained().await;
    for relay in relays {
        relay.stop().await;
    }

    committed.sort();
    let delivered: Vec<_> = broker.messages().iter().map(|it| (it.key.clone(), it.id)).collect();
    for key in 0..5 {
        let key = format!("key-{key}");
        let committed = committed.iter().filter(|it| it.0 == key).map(|it| it.2);
        let delivered = delivered.iter().filter(|it| it.0 == key).map(|it| it.1);
        assert!(delivered.eq(committed), "{key}");
    }
}

/// What was committed: keys, numbers and ids.
async fn publish_and_count(pool: PgPool, publisher: u32) -> Vec<(String, i32, MessageId)> {
    let mut committed = Vec::new();
    for turn in 0..40_u32 {
        let key = format!("key-{}", (publisher + turn) % 5);
        let mut tx = pool.begin().await.unwrap();
        let id = outbox::publish(&mut tx, TOPIC, &key, "").await.unwrap();
        tokio::task::yield_now().await;
        let draw = "UPDATE counters SET n = n + 1 WHERE key = $1 RETURNING n";
        let n = sqlx::query_scalar(draw).bind(&key).fetch_one(&mut *tx).await.unwrap();
        if turn % 7 == 3 {
            tx.rollback().await.unwrap();
        } else {
            tx.commit().await.unwrap();
            committed.push((key, n, id));
        }
    }
    committed
}

#[tokio::test]
async fn all_of_a_message_arrives() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    let id = MessageId::random();
    let began = SystemTime::now() - Duration::from_secs(1);
    let mut tx = database.pool.begin().await.unwrap();
    Draft::new("t", "ключ ' \" $1", &[0, 255, 10])
        .header("a", "1")
        .header("b", "zwei, \"ü\"")
        .header("a", "")
        .id(id)
        .publish(&mut tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    database.relay(broker.clone()).pass().await.unwrap();

    let message = &broker.messages()[0];
    assert_eq!((message.id, &*message.topic, &*message.key), (id, "t", "ключ ' \" $1"));
    assert_eq!(message.payload, [0, 255, 10]);
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(message.headers, [header("a", "1"), header("b", "zwei, \"ü\""), header("a", "")]);
    assert!(message.published_at >= began && message.attempt == 1);
}

#[tokio::test]
async fn what_is_no_message_leaves_the_transaction_as_it_was() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let mut tx = database.pool.begin().await.unwrap();

    let refused = outbox::publish(&mut tx, TOPIC, "", "1").await.unwrap_err();

    assert_eq!(refused.kind(), OutboxErrorKind::Invalid);
    outbox::publish(&mut tx, TOPIC, "order-1", "1").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(database.backlog().await, (1, 0));
}

#[tokio::test]
async fn a_deadlock_of_two_publishers_is_the_databases_refusal() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let mut left = database.pool.begin().await.unwrap();
    let mut right = database.pool.begin().await.unwrap();
    outbox::publish(&mut left, TOPIC, "a", "1").await.unwrap();
    outbox::publish(&mut right, TOPIC, "b", "1").await.unwrap();

    let (one, other) = tokio::join!(
        async { (outbox::publish(&mut left, TOPIC, "b", "2").await, left.commit().await).0 },
        async { (outbox::publish(&mut right, TOPIC, "a", "2").await, right.commit().await).0 },
    );

    let error = [one, other].into_iter().find_map(Result::err).unwrap();
    assert_eq!(error.kind(), OutboxErrorKind::Database);
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<sqlx::Error>().unwrap();
    assert_eq!(source.as_database_error().unwrap().code().as_deref(), Some("40P01"));
}

/// The first run commits and dies before its record is written; the second one publishes in another
/// order.
#[tokio::test]
async fn a_call_that_runs_again_publishes_the_same_messages() {
    require!(Server::Postgres);
    let database = Database::new().await;
    let broker = Broker::new();
    for payloads in [["a", "b", "a"], ["b", "a", "a"]] {
        let pool = database.pool.clone();
        let engine = engine();
        let call =
            Operation::new("pay").key("order-1").engine(&engine).returning::<Result<(), Error>>();
        call.run(|| async move {
            let mut tx = pool.begin().await.unwrap();
            for payload in payloads {
                outbox::publish(&mut tx, TOPIC, "order-1", payload).await.unwrap();
            }
            tx.commit().await.unwrap();
            Ok(())
        })
        .await
        .unwrap();
    }

    database.relay(broker.clone()).pass().await.unwrap();

    let mut ids: Vec<_> =
        broker.messages().iter().map(|message| (text(message), message.id)).collect();
    ids.sort();
    assert_eq!(ids.len(), 6);
    ids.dedup();
    let texts: Vec<_> = ids.iter().map(|(text, _)| &**text).collect();
    assert_eq!(texts, ["a", "a", "b"], "{ids:?}");
}
