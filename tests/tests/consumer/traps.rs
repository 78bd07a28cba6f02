//! What handlers and platforms do to a consumer: they block its threads, acknowledge by themselves, run again, and send
//! SIGTERM.

use std::ffi::OsString;
use std::process::Command;
use std::sync::{Arc, Mutex};

use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Message};
use idempotent_core::outbox;
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Flavor, Program, Redis, Server, require};
use idempotent_tests::{millis, secs};
use tokio::signal::unix::{SignalKind, signal};

use crate::effects::{Effects, Ends, Running, attempts, engine, until};
use crate::inbox::postgres_shop;
use crate::nats_server::{Brokered, billing, context};
use crate::redis_server::{GROUP, Streams, patient_connection};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The environment variable with a worker's port, broker and store.
const VARIABLE: &str = "IDEMPOTENT_TESTS_SIGTERM";
/// The test that is the worker, when the variable is set.
const TEST: &str = "traps::consumes_until_sigterm_when_another_test_starts_it";
const CONCURRENCY: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_for_longer_than_the_deadline_keeps_its_message() {
    let (broker, ends) = (TestBroker::with_deadline(secs(9)), Ends::default());
    let consumer =
        ends.watch(Consumer::builder("shop.ship", &engine())).handler(|_: String| async {
            std::thread::sleep(secs(10));
            Ok::<_, String>(())
        });
    broker.publish("order-7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((broker.deliveries(), ends.outcomes()), (1, vec![DeliveryOutcome::Executed]));
}

#[tokio::test]
async fn a_handler_that_starves_its_runtime_costs_deliveries_and_runs_nothing_twice() {
    let (broker, effects) = (TestBroker::with_deadline(millis(400)), Effects::default());
    let counted = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(3)).handler(
        move |payload: String| {
            counted.add(&payload);
            async {
                // Nothing else runs meanwhile: no message is kept alive, and no lease renewed.
                std::thread::sleep(millis(1_000));
                Ok::<_, String>(())
            }
        },
    );
    for id in ["1", "2", "3"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!(effects.all(), ["1", "2", "3"].map(|id| (id.to_owned(), 1)));
    assert!(broker.parked().is_empty());
}

#[tokio::test]
async fn a_message_that_its_handler_acknowledges_itself_is_gone_also_if_that_handler_fails() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let client = redis::Client::open(server.url()).unwrap();
    let (ends, runs, stream) = (Ends::default(), Effects::default(), server.stream.clone());
    let ran = runs.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine())).attempts(attempts(3));
    let consumer = builder.handler(move |payload: String, message: Message| {
        ran.add(&payload);
        let (client, stream) = (client.clone(), stream.clone());
        async move {
            let mut connection = client.get_multiplexed_async_connection().await?;
            let entry = message.position().rsplit_once('/').ok_or("no position")?.1.to_owned();
            let acknowledge = redis::cmd("XACK").arg(stream).arg(GROUP).arg(entry).to_owned();
            acknowledge.query_async::<i64>(&mut connection).await?;
            if payload == "bad" { Err("it is no good".into()) } else { Ok::<_, Failure>(()) }
        }
    });
    for id in ["good", "bad", "other"] {
        server.publish(id, id).await;
    }
    let running = Running::start(&consumer, server.source());
    until(|| ends.all().len() == 3).await;
    // Longer than the pause of the one that failed, and than the time after which it would be claimed.
    tokio::time::sleep(millis(1_500)).await;
    running.stop().await.unwrap();
    assert_eq!((runs.of("good"), runs.of("bad"), runs.of("other")), (1, 1, 1));
    assert_eq!(ends.count(DeliveryOutcome::Executed), 2);
    assert!(server.pending().await.is_empty() && server.dead_letters().await.is_empty());
}

#[tokio::test]
async fn messages_that_a_handler_publishes_have_the_same_ids_when_it_runs_again() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let published = Arc::new(Mutex::new(Vec::new()));
    let (ids, pool) = (Arc::clone(&published), shop.pool.clone());
    let consumer = Consumer::builder("shop.ship", &shop.engine).attempts(attempts(3)).handler(
        move |order: String| {
            let (ids, pool) = (Arc::clone(&ids), pool.clone());
            async move {
                // A transaction of its own, which is committed although the handler then fails.
                let mut tx = pool.begin().await?;
                let id = outbox::publish(&mut tx, "orders.shipped", &order, &order).await?;
                tx.commit().await?;
                let run = {
                    let mut ids = ids.lock().unwrap();
                    ids.push(id);
                    ids.len()
                };
                if run == 1 { Err("the carrier is down".into()) } else { Ok::<_, Failure>(()) }
            }
        },
    );
    broker.publish("order-7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let published = published.lock().unwrap().clone();
    assert_eq!((published.len(), &published[0]), (2, &published[1]));
}

#[tokio::test]
#[ignore = "it is a worker, which another test starts"]
async fn consumes_until_sigterm_when_another_test_starts_it() {
    let Ok(settings) = std::env::var(VARIABLE) else { return };
    let settings: Vec<_> = settings.split(' ').collect();
    let [port, broker, store] = settings[..] else { panic!("{settings:?}") };
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let engine = Idempotency::new(
        RedisStore::builder(store)
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let client = redis::Client::open(store).unwrap();
    let ledger = patient_connection(&client).await;
    let consumer = Consumer::builder("shop.ship", &engine).concurrency(CONCURRENCY).handler(
        move |order: String| {
            let mut ledger = ledger.clone();
            async move {
                let note = |list: &str| redis::cmd("RPUSH").arg(list).arg(&order).to_owned();
                note("begun").query_async::<i64>(&mut ledger).await?;
                tokio::time::sleep(millis(400)).await;
                note("done").query_async::<i64>(&mut ledger).await?;
                Ok::<_, redis::RedisError>(())
            }
        },
    );
    let source = JetStreamSource::new(context(broker).await, "ORDERS", "billing");
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let shutdown = async {
        let _ = terminated.recv().await;
    };
    consumer.run(source.dead_letters("dead.orders"), shutdown).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_gets_sigterm_finishes_what_runs_and_leaves_nothing_in_hand() {
    require!(Server::Nats, Server::Redis);
    // The server would not take anything back by itself.
    let patient =
        async_nats::jetstream::consumer::pull::Config { ack_wait: secs(600), ..billing() };
    let server = Brokered::with_consumer(Server::Nats, patient).await;
    let redis = Redis::start().await;
    for number in 0..40 {
        let order = format!("order-{number}");
        server.publish(order.as_str(), order.clone()).await;
    }
    let worker = Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let settings = format!("{VARIABLE}={port} {} {}", server.nats.url(), redis.url());
        let words = ["--ignored", "--exact", TEST, "--nocapture"].map(OsString::from);
        let line: Vec<OsString> = vec!["env".into(), settings.into(), program.into()];
        line.into_iter().chain(words).collect()
    })
    .await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut ledger = patient_connection(&client).await;
    let mut many = async |list: &str| -> usize {
        redis::cmd("LLEN").arg(list).to_owned().query_async(&mut ledger).await.unwrap()
    };
    let ended = async {
        while many("begun").await < CONCURRENCY {
            tokio::time::sleep(millis(10)).await;
        }
        let told = Command::new("kill").args(["-TERM", &worker.pid().to_string()]).status();
        assert!(told.unwrap().success());
        while worker.is_running() {
            tokio::time::sleep(millis(20)).await;
        }
    };
    tokio::time::timeout(secs(60), ended).await.expect("it ends");
    let (begun, done) = (many("begun").await, many("done").await);
    assert_eq!(begun, done, "a handler was cut off");
    assert_eq!(server.open().await, (0, 40 - done as u64));
}
