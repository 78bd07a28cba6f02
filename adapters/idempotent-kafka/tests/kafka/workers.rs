//! Workers in processes of their own, which share a cluster and a store, and are killed or frozen.

use std::ffi::OsString;

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::Consumer;
use idempotent_kafka::{ID, KafkaSource, REASON};
use idempotent_servers::{Program, Redis, Server, require};

use crate::cluster::{Topics, client, header};
use crate::effects::{attempts, millis, secs};

/// The environment variable with a worker's port, servers, topic, store, how often a handler may fail, and how long it
/// takes in milliseconds.
const VARIABLE: &str = "IDEMPOTENT_KAFKA_CONSUMER";
/// The test that is the worker, when the variable is set.
const TEST: &str = "workers::consumes_when_another_test_starts_it";
/// A message that takes its worker down.
const DEADLY: &str = "deadly";
const PARTITIONS: i32 = 4;
const MESSAGES: usize = 400;
/// How many messages a worker has in hand.
const CONCURRENCY: usize = 8;

async fn worker(topics: &Topics, store: &str, max: u32, takes: u64) -> Program {
    Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let (servers, orders) = (&topics.cluster.servers, &topics.orders);
        let settings = format!("{VARIABLE}={port} {servers} {orders} {store} {max} {takes}");
        let words = ["--ignored", "--exact", TEST, "--nocapture"].map(OsString::from);
        let line: Vec<OsString> = vec!["env".into(), settings.into(), program.into()];
        line.into_iter().chain(words).collect()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is a worker, which the other tests start"]
async fn consumes_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Vec<_> = settings.split(' ').collect();
    let [port, servers, orders, store, max, takes] = settings[..] else { panic!("{settings:?}") };
    let takes = millis(takes.parse().unwrap());
    let engine = Idempotency::new(
        RedisStore::builder(store)
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let redis = redis::Client::open(store).unwrap();
    let ledger = patient_connection(&redis).await;
    let consumer = Consumer::builder("shop.ship", &engine)
        .concurrency(CONCURRENCY)
        .lease(secs(1))
        .attempts(attempts(max.parse().unwrap()))
        .handler(move |order: String| {
            let mut ledger = ledger.clone();
            async move {
                if order == DEADLY {
                    std::process::abort();
                }
                tokio::time::sleep(takes).await;
                let add = redis::cmd("HINCRBY").arg("ledger").arg(&order).arg(1).to_owned();
                add.query_async::<i64>(&mut ledger).await?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
            }
        });
    let mut client = client(servers, orders);
    client.set("max.poll.interval.ms", "4000");
    let source = KafkaSource::new(client, [orders])
        .drain_within(secs(2))
        .dead_letters(format!("{orders}.dead"))
        .deadline(secs(3))
        .commit_every(millis(200));
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    consumer.run(source, std::future::pending()).await.unwrap();
}

/// How often each order took effect.
struct Ledger {
    redis: Redis,
    connection: redis::aio::MultiplexedConnection,
}

impl Ledger {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let client = redis::Client::open(redis.url()).unwrap();
        let connection = patient_connection(&client).await;
        Self { redis, connection }
    }

    async fn counts(&mut self) -> Vec<usize> {
        let ask = redis::cmd("HVALS").arg("ledger").to_owned();
        ask.query_async(&mut self.connection).await.unwrap()
    }

    async fn until(&mut self, orders: usize) {
        let mut found = 0;
        let all = async {
            while found < orders {
                tokio::time::sleep(millis(50)).await;
                found = self.counts().await.len();
            }
        };
        let waited = tokio::time::timeout(secs(120), all).await;
        assert!(waited.is_ok(), "a message is lost: {found} of {orders} ran");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_when_workers_are_killed_and_none_runs_twice_whose_owner_lived() {
    require!(Server::Redis);
    let (topics, mut ledger) = (Topics::with_partitions(PARTITIONS), Ledger::start().await);
    let store = ledger.redis.url();
    let mut workers =
        [worker(&topics, &store, 50, 20).await, worker(&topics, &store, 50, 20).await];
    let each = MESSAGES / usize::try_from(PARTITIONS).unwrap();
    for number in 0..each {
        for partition in 0..PARTITIONS {
            topics.publish(partition, None, &format!("order-{partition}-{number}")).await;
        }
    }
    for (killed, ran) in [(0, 40), (1, 160)] {
        ledger.until(ran).await;
        workers[killed].kill();
        workers[killed] = worker(&topics, &store, 50, 20).await;
    }
    ledger.until(MESSAGES).await;
    // What is still to come could run a second time.
    let end = Some(i64::try_from(each).unwrap());
    topics.until_committed(&[end; 4]).await;
    let twice = ledger.counts().await.iter().filter(|count| **count > 1).count();
    assert!(twice <= 2 * CONCURRENCY, "{twice} ran twice");
    assert!(topics.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_frozen_beyond_its_poll_interval_commits_nothing_late_and_works_again() {
    require!(Server::Redis);
    let (topics, mut ledger) = (Topics::with_partitions(2), Ledger::start().await);
    let store = ledger.redis.url();
    for number in 0..40 {
        topics.publish(number % 2, None, &format!("order-{number}")).await;
    }
    let frozen = worker(&topics, &store, 50, 200).await;
    ledger.until(4).await;
    frozen.stop_process();
    let since = tokio::time::Instant::now();
    let other = worker(&topics, &store, 50, 20).await;
    ledger.until(40).await;
    topics.until_committed(&[Some(20), Some(20)]).await;
    tokio::time::sleep_until(since + secs(6)).await;
    // It wakes with messages in hand, finishes them, and has lost its partitions.
    frozen.resume();
    for number in 40..80 {
        topics.publish(number % 2, None, &format!("order-{number}")).await;
    }
    ledger.until(80).await;
    topics.until_committed(&[Some(40), Some(40)]).await;
    let twice = ledger.counts().await.iter().filter(|count| **count > 1).count();
    assert!(twice <= CONCURRENCY, "{twice} ran twice");
    // It is a member again, and alone.
    other.kill();
    drop(other);
    for number in 80..100 {
        topics.publish(number % 2, None, &format!("order-{number}")).await;
    }
    ledger.until(100).await;
    topics.until_committed(&[Some(50), Some(50)]).await;
    assert!(frozen.is_running() && topics.dead_letters().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_process_is_parked_after_its_attempts() {
    require!(Server::Redis);
    let (topics, mut ledger) = (Topics::with_partitions(1), Ledger::start().await);
    // Whatever else is in hand then has lost an attempt, too, so the other one comes after it.
    topics.publish(0, Some("key"), DEADLY).await;
    topics.publish(0, Some("key"), "tea").await;
    let worker = worker(&topics, &ledger.redis.url(), 2, 20).await;
    tokio::select! {
        () = worker.revive() => {}
        () = topics.until_committed(&[Some(2)]) => {}
    }
    let letters = topics.dead_letters().await;
    let why: Vec<_> =
        letters.iter().map(|letter| (header(letter, ID), header(letter, REASON))).collect();
    assert_eq!(why, [(DEADLY.to_owned(), "attempts_used_up".to_owned())]);
    ledger.until(1).await;
}

/// A connection whose answers may take as long as they do.
async fn patient_connection(client: &redis::Client) -> redis::aio::MultiplexedConnection {
    let patient = redis::AsyncConnectionConfig::new();
    let patient = patient.set_response_timeout(None).set_connection_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}
