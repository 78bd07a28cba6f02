//! Workers in processes of their own that are killed, with Redis Streams as the broker and handlers within transactions of
//! PostgreSQL: each message has its effect exactly once.

use std::ffi::OsString;

use idempotent_core::Idempotency;
use idempotent_core::backends::{PostgresStore, RedisStore};
use idempotent_core::consumer::redis_streams::{RedisStreamSource, StartAt};
use idempotent_core::consumer::{Consumer, InboxTransaction};
use idempotent_servers::{Flavor, Program, Server, require};
use idempotent_tests::{millis, secs};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, Postgres};

use crate::effects::attempts;
use crate::inbox::postgres_database;
use crate::redis_server::{GROUP, ID, MIN_IDLE, Streams};

/// The environment variable with a worker's port, broker and database.
const VARIABLE: &str = "IDEMPOTENT_TESTS_INBOX";
/// The test that is the worker, when the variable is set.
const TEST: &str = "inbox_workers::consumes_when_another_test_starts_it";
const MESSAGES: usize = 300;
const WORKERS: usize = 3;

async fn worker(broker: &str, database: &str) -> Program {
    Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let settings = format!("{VARIABLE}={port} {broker} {database}");
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
    let [port, broker, database] = settings[..] else { panic!("{settings:?}") };
    let pool = PgPoolOptions::new().max_connections(8).connect(database).await.unwrap();
    let engine = Idempotency::new(PostgresStore::connect(pool.clone()).await.unwrap());
    let consumer = Consumer::builder("shop.ship", &engine)
        .concurrency(8)
        .attempts(attempts(50))
        .within(pool)
        .handler(|order: String, mut tx: InboxTransaction<Postgres>| async move {
            let insert = sqlx::query("INSERT INTO effects VALUES ($1)").bind(order);
            insert.execute(&mut **tx).await?;
            tokio::time::sleep(millis(5)).await;
            Ok::<_, sqlx::Error>(())
        });
    let redis = RedisStore::connect(broker).await.unwrap();
    let source = RedisStreamSource::new(&redis, "orders", GROUP)
        .create_group(StartAt::Oldest)
        .min_idle(MIN_IDLE)
        .id_field(ID)
        .dead_letters("dead");
    let _listening = std::net::TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    consumer.run(source, std::future::pending()).await.unwrap();
}

#[tokio::test]
async fn each_message_has_its_effect_exactly_once_although_workers_are_killed() {
    require!(Server::Redis, Server::Postgres);
    let server = Streams::start(Flavor::Redis).await;
    let database = postgres_database().await;
    let mut ledger = PgConnection::connect(&database).await.unwrap();
    sqlx::raw_sql("CREATE TABLE effects (id text)").execute(&mut ledger).await.unwrap();
    // Migrates once, before several do.
    drop(PostgresStore::connect(database.as_str()).await.unwrap());
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        workers.push(worker(&server.url(), &database).await);
    }
    let mut published = 0;
    for number in 0..MESSAGES {
        let order = format!("order-{number}");
        // Every fifth comes twice, as from a producer that was not told that it had arrived.
        for _ in 0..if number % 5 == 0 { 2 } else { 1 } {
            server.publish(order.as_str(), &order).await;
            published += 1;
        }
        if number % 60 == 30 {
            let killed = number / 60 % WORKERS;
            workers[killed].kill();
            workers[killed] = worker(&server.url(), &database).await;
        }
    }
    tokio::time::timeout(secs(120), server.until_settled(published)).await.unwrap();
    let counts: Vec<i64> = sqlx::query_scalar("SELECT count(*) FROM effects GROUP BY id")
        .fetch_all(&mut ledger)
        .await
        .unwrap();
    assert_eq!(counts.len(), MESSAGES, "a message is lost");
    assert!(counts.iter().all(|count| *count == 1), "{counts:?}");
    assert!(server.dead_letters().await.is_empty());
}
