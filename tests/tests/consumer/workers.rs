//! Workers in processes of their own, which share a broker and a store, and are killed.

use std::ffi::OsString;

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::Consumer;
use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_servers::{Program, Redis, Server, require};
use idempotent_tests::millis;

use crate::effects::attempts;
use crate::nats_server::{Brokered, context};
use crate::redis_server::patient_connection;

/// The environment variable with a worker's port, broker and store.
const VARIABLE: &str = "IDEMPOTENT_TESTS_CONSUMER";
/// The test that is the worker, when the variable is set.
const TEST: &str = "workers::consumes_when_another_test_starts_it";
const MESSAGES: usize = 400;

async fn worker(broker: &str, store: &str) -> Program {
    Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let settings = format!("{VARIABLE}={port} {broker} {store}");
        let words = ["--ignored", "--exact", TEST, "--nocapture"].map(OsString::from);
        let line: Vec<OsString> = vec!["env".into(), settings.into(), program.into()];
        line.into_iter().chain(words).collect()
    })
    .await
}

#[tokio::test]
#[ignore = "it is a worker, which the other test starts"]
async fn consumes_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Vec<_> = settings.split(' ').collect();
    let [port, broker, store] = settings[..] else { panic!("{settings:?}") };
    let engine = Idempotency::new(
        RedisStore::builder(store)
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let client = redis::Client::open(store).unwrap();
    let ledger = patient_connection(&client).await;
    let consumer = Consumer::builder("shop.ship", &engine)
        .concurrency(16)
        .attempts(attempts(50))
        .handler(move |order: String| {
            let mut ledger = ledger.clone();
            async move {
                if order == "poison" {
                    return Err("it is no good".into());
                }
                tokio::time::sleep(millis(5)).await;
                let add = redis::cmd("HINCRBY").arg("ledger").arg(&order).arg(1).to_owned();
                add.query_async::<i64>(&mut ledger).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            }
        });
    let source = JetStreamSource::new(context(broker).await, "ORDERS", "billing");
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    consumer.run(source.dead_letters("dead.orders"), std::future::pending()).await.unwrap();
}

#[tokio::test]
async fn no_message_is_lost_when_workers_are_killed_and_none_runs_twice_whose_owner_lived() {
    require!(Server::Nats, Server::Redis);
    let server = Brokered::start(Server::Nats).await;
    let redis = Redis::start().await;
    let (broker, store) = (server.nats.url(), redis.url());
    let mut workers = Vec::new();
    for _ in 0..3 {
        workers.push(worker(&broker, &store).await);
    }
    for number in 0..MESSAGES {
        let order = format!("order-{number}");
        server.publish(order.as_str(), order.clone()).await;
        // A producer that sends again, beyond what the stream remembers.
        if number % 5 == 0 {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert(idempotent_core::consumer::jetstream::MESSAGE_ID, order.as_str());
            server.publish_with(headers, order.into_bytes()).await;
        }
        if number % 100 == 50 {
            workers[number / 100 % 3].kill();
            workers[number / 100 % 3] = worker(&broker, &store).await;
        }
    }
    server.until_settled().await;
    let client = redis::Client::open(store).unwrap();
    let mut ledger = patient_connection(&client).await;
    let ask = redis::cmd("HVALS").arg("ledger").to_owned();
    let counts: Vec<usize> = ask.query_async(&mut ledger).await.unwrap();
    assert_eq!(counts.len(), MESSAGES, "a message is lost");
    let twice = counts.iter().filter(|count| **count > 1).count();
    // Of each of the 4 killed workers at most what it had in hand.
    assert!(twice <= 4 * 16, "{twice} ran more than once");
    assert!(server.dead_letters().await.is_empty());
}
