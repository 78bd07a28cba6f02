//! Workers in processes of their own, which share a broker and a store, and are killed.

use std::ffi::OsString;

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::Consumer;
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_servers::{Program, Redis, Server, require};

use crate::broker::{Brokered, CLASSIC, QUORUM};
use crate::effects::{attempts, millis, secs};

/// The environment variable with a worker's port, broker, queue and store.
const VARIABLE: &str = "IDEMPOTENT_RABBITMQ_CONSUMER";
/// The test that is the worker, when the variable is set.
const TEST: &str = "workers::consumes_when_another_test_starts_it";
const MESSAGES: usize = 300;

async fn worker(broker: &str, queue: &str, store: &str) -> Program {
    Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let settings = format!("{VARIABLE}={port} {broker} {queue} {store}");
        let words = ["--ignored", "--exact", TEST, "--nocapture"].map(OsString::from);
        let line: Vec<OsString> = vec!["env".into(), settings.into(), program.into()];
        line.into_iter().chain(words).collect()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is a worker, which the other test starts"]
async fn consumes_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Vec<_> = settings.split(' ').collect();
    let [port, broker, queue, store] = settings[..] else { panic!("{settings:?}") };
    let engine = Idempotency::new(
        RedisStore::builder(store)
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let client = redis::Client::open(store).unwrap();
    let ledger = patient_connection(&client).await;
    let queue_of_ledger = queue.to_owned();
    let consumer = Consumer::builder("shop.ship", &engine)
        .concurrency(16)
        .lease(secs(2))
        .attempts(attempts(50))
        .handler(move |order: String| {
            let (mut ledger, queue) = (ledger.clone(), queue_of_ledger.clone());
            async move {
                tokio::time::sleep(millis(5)).await;
                let add = redis::cmd("HINCRBY").arg(queue).arg(&order).arg(1).to_owned();
                add.query_async::<i64>(&mut ledger).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            }
        });
    let source = RabbitMqSource::new(broker, queue).dead_letters(format!("{queue}.dead"));
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    consumer.run(source, std::future::pending()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_when_workers_are_killed_and_none_runs_twice_whose_owner_lived() {
    require!(Server::RabbitMq, Server::Redis);
    for kind in [CLASSIC, QUORUM] {
        let brokered = Brokered::start(kind).await;
        let redis = Redis::start().await;
        let (broker, queue, store) = (brokered.server.url(), brokered.queue.clone(), redis.url());
        let mut workers = Vec::new();
        for _ in 0..2 {
            workers.push(worker(&broker, &queue, &store).await);
        }
        for number in 0..MESSAGES {
            let order = format!("order-{number}");
            brokered.publish(&order, &order).await;
            // A producer that sends again.
            if number % 5 == 0 {
                brokered.publish(&order, &order).await;
            }
            if number % 100 == 50 {
                workers[number / 100 % 2].kill();
                workers[number / 100 % 2] = worker(&broker, &queue, &store).await;
            }
        }
        let client = redis::Client::open(store.as_str()).unwrap();
        let mut ledger = patient_connection(&client).await;
        let ask = redis::cmd("HVALS").arg(&queue).to_owned();
        let mut counts: Vec<usize> = Vec::new();
        let all = async {
            while counts.len() < MESSAGES {
                tokio::time::sleep(millis(50)).await;
                counts = ask.query_async(&mut ledger).await.unwrap();
            }
        };
        let waited = tokio::time::timeout(secs(120), all).await;
        assert!(waited.is_ok(), "a message is lost: {} of {MESSAGES} ran", counts.len());
        // What is still to come could run a second time.
        brokered.until_counts((0, 0)).await;
        let counts: Vec<usize> = ask.query_async(&mut ledger).await.unwrap();
        let twice = counts.iter().filter(|count| **count > 1).count();
        // Each of the killed workers had this many in hand at most.
        assert!(twice <= 3 * 16, "{twice} ran twice");
        assert!(brokered.dead_letters().await.is_empty());
    }
}

/// A connection whose answers may take as long as they do.
async fn patient_connection(client: &redis::Client) -> redis::aio::MultiplexedConnection {
    let patient = redis::AsyncConnectionConfig::new();
    let patient = patient.set_response_timeout(None).set_connection_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}
