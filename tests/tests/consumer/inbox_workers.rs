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

/// The environment variable with a worker's port, broker, database, number, and how many messages share a transaction.
const VARIABLE: &str = "IDEMPOTENT_TESTS_INBOX";
/// The test that is the worker, when the variable is set.
const TEST: &str = "inbox_workers::consumes_when_another_test_starts_it";
const MESSAGES: usize = 300;
const WORKERS: usize = 3;

/// What a worker has begun, and has not committed.
const UNCOMMITTED: &str = "SELECT count(*) FROM runs WHERE worker = $1 AND NOT EXISTS
    (SELECT FROM effects WHERE effects.id = runs.id AND effects.worker = runs.worker)";

const LARGEST: &str = "SELECT max(members) FROM
    (SELECT count(*) AS members FROM effects GROUP BY transaction) AS transactions";

async fn worker(broker: &str, database: &str, number: i32, group: usize) -> Program {
    Program::start(|port| {
        let program = std::env::current_exe().unwrap();
        let settings = format!("{VARIABLE}={port} {broker} {database} {number} {group}");
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
    let [port, broker, database, number, group] = settings[..] else { panic!("{settings:?}") };
    let number: i32 = number.parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(8).connect(database).await.unwrap();
    let engine = Idempotency::new(
        PostgresStore::builder(pool.clone())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let ledger = pool.clone();
    let consumer = Consumer::builder("shop.ship", &engine)
        .concurrency(8)
        .attempts(attempts(50))
        .within(pool)
        .group(group.parse().unwrap())
        .handler(move |order: String, mut tx: InboxTransaction<Postgres>| {
            let ledger = ledger.clone();
            async move {
                // Beside the transaction: that it began.
                let run = sqlx::query("INSERT INTO runs VALUES ($1, $2)").bind(&order);
                run.bind(number).execute(&ledger).await?;
                let insert = "INSERT INTO effects (id, worker) VALUES ($1, $2)";
                let insert = sqlx::query(insert).bind(&order);
                insert.bind(number).execute(&mut **tx).await?;
                tokio::time::sleep(millis(100)).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    let redis = RedisStore::builder(broker)
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
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
    assert_eq!(kill_workers(1).await, 1);
}

#[tokio::test]
async fn each_message_has_its_effect_exactly_once_although_workers_are_killed_amid_groups() {
    require!(Server::Redis, Server::Postgres);
    assert!(kill_workers(8).await > 1, "no messages shared a transaction");
}

/// Returns how many messages the largest transaction had.
async fn kill_workers(group: usize) -> i64 {
    let server = Streams::start(Flavor::Redis).await;
    let database = postgres_database().await;
    let mut ledger = PgConnection::connect(&database).await.unwrap();
    let tables = "CREATE TABLE runs (id text, worker int);
        CREATE TABLE effects (id text, worker int, transaction xid8 DEFAULT pg_current_xact_id())";
    sqlx::raw_sql(tables).execute(&mut ledger).await.unwrap();
    // Migrates once, before several do.
    drop(
        PostgresStore::builder(database.as_str())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let (mut workers, mut started, mut killed) = (Vec::new(), 0, Vec::new());
    for _ in 0..WORKERS {
        workers.push((started, worker(&server.url(), &database, started, group).await));
        started += 1;
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
            let slot = number / 60 % WORKERS;
            until_it_runs(&mut ledger, workers[slot].0).await;
            workers[slot].1.kill();
            killed.push(workers[slot].0);
            workers[slot] = (started, worker(&server.url(), &database, started, group).await);
            started += 1;
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
    let mut hit = 0;
    for worker in killed {
        hit += uncommitted(&mut ledger, worker).await;
    }
    assert!(hit > 0, "no kill has hit a handler that ran");
    sqlx::query_scalar(LARGEST).fetch_one(&mut ledger).await.unwrap()
}

/// How many handlers of a worker have begun whose transactions are not committed.
async fn uncommitted(ledger: &mut PgConnection, worker: i32) -> i64 {
    sqlx::query_scalar(UNCOMMITTED).bind(worker).fetch_one(ledger).await.unwrap()
}

/// Waits until a handler of this worker runs, or all messages so far are handled.
async fn until_it_runs(ledger: &mut PgConnection, worker: i32) {
    for _ in 0..100 {
        if uncommitted(ledger, worker).await > 0 {
            return;
        }
        tokio::time::sleep(millis(2)).await;
    }
}
