//! Handlers within a transaction of PostgreSQL: conflicts, lost answers, outages, the outbox, and workers that are killed.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, InboxTransaction};
use idempotent_core::outbox::{self, Outbox};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, TcpProxy, require};
use idempotent_tests::{Log, millis, secs};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::effects::{Ends, Running, attempts, until};
use crate::inbox::{postgres_database, postgres_shop};

type Tx = InboxTransaction<Postgres>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn count(pool: &PgPool, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(pool).await.unwrap()
}

const EFFECTS: &str = "SELECT count(*) FROM effects";

async fn effect(tx: &mut Tx, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO effects VALUES ($1)").bind(id).execute(&mut ***tx).await.map(drop)
}

#[tokio::test]
async fn messages_of_the_outbox_are_there_if_and_only_if_the_handler_succeeded() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .attempts(attempts(1))
        .within(shop.pool.clone())
        .handler(|order: String, mut tx: Tx| async move {
            outbox::publish(&mut tx, "orders.shipped", &order, &order).await?;
            if order == "bad" { Err("it is no good".into()) } else { Ok::<_, Failure>(()) }
        });
    for id in ["bad", "good", "good"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!(Outbox::new(shop.pool.clone()).backlog().await.unwrap().pending, 1);
    assert_eq!(broker.parked().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_that_conflict_are_run_again_and_no_attempt_is_counted() {
    require!(Server::Postgres);
    let options = PgConnectOptions::from_str(&postgres_database().await).unwrap();
    let options = options.options([("default_transaction_isolation", "serializable")]);
    let pool = PgPoolOptions::new().max_connections(12).connect_with(options).await.unwrap();
    let store = PostgresStore::builder(pool.clone())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    for table in ["CREATE TABLE counters (value bigint)", "INSERT INTO counters VALUES (0)"] {
        sqlx::query(table).execute(&pool).await.unwrap();
    }
    let (broker, ends, runs) = (TestBroker::new(), Ends::default(), Arc::new(AtomicU32::new(0)));
    let ran = Arc::clone(&runs);
    let builder = Consumer::builder("shop.count", &Idempotency::new(store)).concurrency(4);
    let consumer = ends.watch(builder).attempts(attempts(1)).within(pool.clone()).handler(
        move |_: String, mut tx: Tx| {
            ran.fetch_add(1, Ordering::SeqCst);
            async move {
                let value: i64 =
                    sqlx::query_scalar("SELECT value FROM counters").fetch_one(&mut **tx).await?;
                tokio::time::sleep(millis(20)).await;
                let update = sqlx::query("UPDATE counters SET value = $1").bind(value + 1);
                update.execute(&mut **tx).await.map(drop)
            }
        },
    );
    for number in 0..8 {
        broker.publish(format!("{number}"), "");
    }
    consumer.run(broker.source(), broker.until_settled(8)).await.unwrap();
    assert!(broker.parked().is_empty(), "{:?}", broker.parked());
    assert_eq!(count(&pool, "SELECT value FROM counters").await, 8);
    assert!(runs.load(Ordering::SeqCst) > 8, "nothing was in conflict");
}

#[tokio::test]
async fn a_message_that_meets_nothing_but_conflicts_is_parked_in_the_end() {
    require!(Server::Postgres);
    let (shop, broker, runs) = (postgres_shop().await, TestBroker::new(), Arc::default());
    let ran: Arc<AtomicU32> = Arc::clone(&runs);
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .attempts(attempts(2))
        .within(shop.pool.clone())
        .handler(move |_: String, mut tx: Tx| {
            ran.fetch_add(1, Ordering::SeqCst);
            async move {
                let raise = "DO 'BEGIN RAISE EXCEPTION SQLSTATE ''40001''; END'";
                sqlx::query(raise).execute(&mut **tx).await.map(drop)
            }
        });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((broker.parked()[0].attempts, runs.load(Ordering::SeqCst)), (2, 20));
}

#[tokio::test]
async fn a_statement_that_times_out_is_a_failed_attempt() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .attempts(attempts(2))
        .within(shop.pool.clone())
        .handler(|_: String, mut tx: Tx| async move {
            sqlx::query("SET LOCAL statement_timeout = 50").execute(&mut **tx).await?;
            sqlx::query("SELECT pg_sleep(60)").execute(&mut **tx).await.map(drop)
        });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let parked = &broker.parked()[0];
    assert_eq!(parked.attempts, 2);
    assert!(parked.error.contains("statement timeout"), "{}", parked.error);
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_pauses_the_consumer_and_costs_no_attempt() {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let url = postgres_database().await;
    let engine = Idempotency::new(
        PostgresStore::builder(url.as_str())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let (server, name) = url.rsplit_once('/').unwrap();
    let mut admin = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
    let allow =
        |allowed| sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"));
    sqlx::raw_sql(allow(false)).execute(&mut admin).await.unwrap();
    let pool = PgPoolOptions::new().connect_lazy(&url).unwrap();
    let (broker, ends) = (TestBroker::new(), Ends::default());
    let builder = ends.watch(Consumer::builder("shop.ship", &engine)).attempts(attempts(1));
    let consumer = builder.within(pool).handler(|_: String, mut tx: Tx| async move {
        sqlx::query("SELECT 1").execute(&mut **tx).await.map(drop)
    });
    broker.publish("7", "7");
    let running = Running::start(&consumer, broker.source());
    until(|| !log.events("consumption pauses").is_empty()).await;
    assert!(ends.all().is_empty() && broker.parked().is_empty(), "{:?}", ends.all());
    sqlx::raw_sql(allow(true)).execute(&mut admin).await.unwrap();
    tokio::time::timeout(secs(60), broker.until_settled(1)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
}

/// A shop whose messages' transactions go through a proxy.
pub(crate) async fn through_a_proxy() -> (Idempotency, TcpProxy, PgPool, String) {
    let url = postgres_database().await;
    let options = PgConnectOptions::from_str(&url).unwrap();
    let address = format!("{}:{}", options.get_host(), options.get_port());
    let proxy = TcpProxy::start(address.parse().unwrap()).await;
    let through = options.clone().port(proxy.port());
    let store = PostgresStore::builder(url.as_str())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let pool = PgPoolOptions::new().max_connections(4).acquire_timeout(secs(5));
    let pool = pool.connect_with(through).await.unwrap();
    let engine = Idempotency::builder(store).store_timeout(secs(2)).build();
    (engine, proxy, pool, url)
}

/// Waits until somebody waits for the advisory lock with this number, in this database: others of the server may have it, too.
pub(crate) async fn until_waited_for(connection: &mut PgConnection, lock: i64) {
    let waiting = async {
        loop {
            let waiters: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE locktype = 'advisory' AND NOT granted AND objid = $1::oid AND datname = current_database()",
            )
            .bind(lock)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
            if waiters > 0 {
                return;
            }
            tokio::time::sleep(millis(10)).await;
        }
    };
    tokio::time::timeout(secs(60), waiting).await.expect("somebody waits for the lock");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_found_out_and_nothing_happens_twice() {
    commit_without_an_answer(true).await;
}

#[tokio::test]
async fn a_commit_whose_answer_never_comes_is_found_out_and_nothing_happens_twice() {
    commit_without_an_answer(false).await;
}

async fn commit_without_an_answer(is_cut: bool) {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let (engine, proxy, pool, url) = through_a_proxy().await;
    let mut direct = PgConnection::connect(&url).await.unwrap();
    // The commit waits for a lock, so that its answer can be lost and no other one.
    let set_up = "CREATE TABLE effects (id text NOT NULL);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock(42)";
    sqlx::raw_sql(set_up).execute(&mut direct).await.unwrap();
    let (broker, ends, runs) = (TestBroker::new(), Ends::default(), Arc::new(AtomicU32::new(0)));
    let ran = Arc::clone(&runs);
    let builder = ends.watch(Consumer::builder("shop.ship", &engine)).attempts(attempts(1));
    let consumer = builder.within(pool).handler(move |id: String, mut tx: Tx| {
        ran.fetch_add(1, Ordering::SeqCst);
        async move { effect(&mut tx, &id).await }
    });
    broker.publish("7", "7");
    let running = Running::start(&consumer, broker.source());
    until_waited_for(&mut direct, 42).await;
    proxy.stall_replies();
    sqlx::raw_sql("SELECT pg_advisory_unlock(42)").execute(&mut direct).await.unwrap();
    let committed = async {
        while sqlx::query_scalar::<_, i64>(EFFECTS).fetch_one(&mut direct).await.unwrap() == 0 {
            tokio::time::sleep(millis(10)).await;
        }
    };
    tokio::time::timeout(secs(60), committed).await.expect("it is committed");
    if is_cut {
        proxy.cut();
    } else {
        until(|| !log.events("consumption pauses").is_empty()).await;
    }
    proxy.resume();
    tokio::time::timeout(secs(60), broker.until_settled(1)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Replayed]);
    let effects: i64 = sqlx::query_scalar(EFFECTS).fetch_one(&mut direct).await.unwrap();
    assert_eq!((effects, runs.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn a_database_that_goes_away_while_a_handler_runs_pauses_and_costs_no_attempt() {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let (engine, proxy, pool, url) = through_a_proxy().await;
    let mut direct = PgConnection::connect(&url).await.unwrap();
    let set_up = "CREATE TABLE effects (id text NOT NULL); SELECT pg_advisory_lock(43)";
    sqlx::raw_sql(set_up).execute(&mut direct).await.unwrap();
    let (broker, ends, runs) = (TestBroker::new(), Ends::default(), Arc::new(AtomicU32::new(0)));
    let ran = Arc::clone(&runs);
    let builder = ends.watch(Consumer::builder("shop.ship", &engine)).attempts(attempts(1));
    let consumer = builder.within(pool).handler(move |id: String, mut tx: Tx| {
        ran.fetch_add(1, Ordering::SeqCst);
        async move {
            effect(&mut tx, &id).await?;
            sqlx::query("SELECT pg_advisory_xact_lock(43)").execute(&mut **tx).await.map(drop)
        }
    });
    broker.publish("7", "7");
    let running = Running::start(&consumer, broker.source());
    until_waited_for(&mut direct, 43).await;
    proxy.refuse();
    proxy.cut();
    until(|| !log.events("consumption pauses").is_empty()).await;
    assert!(ends.all().is_empty() && broker.parked().is_empty(), "{:?}", ends.all());
    sqlx::raw_sql("SELECT pg_advisory_unlock(43)").execute(&mut direct).await.unwrap();
    proxy.accept();
    tokio::time::timeout(secs(60), broker.until_settled(1)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::Executed]);
    let effects: i64 = sqlx::query_scalar(EFFECTS).fetch_one(&mut direct).await.unwrap();
    assert_eq!((effects, runs.load(Ordering::SeqCst)), (1, 2));
}

#[tokio::test]
async fn a_handler_that_hides_a_failed_statement_fails() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .attempts(attempts(2))
        .within(shop.pool.clone())
        .handler(|id: String, mut tx: Tx| async move {
            effect(&mut tx, &id).await?;
            let _ = sqlx::query("SELECT 1 / 0").execute(&mut **tx).await;
            Ok::<_, Failure>(())
        });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(broker.parked()[0].attempts, 2);
    assert_eq!(count(&shop.pool, EFFECTS).await, 0);
}

#[tokio::test]
async fn a_constraint_that_fails_at_the_commit_is_a_failed_attempt() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let deferred =
        "ALTER TABLE effects ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED";
    sqlx::query(deferred).execute(&shop.pool).await.unwrap();
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .attempts(attempts(2))
        .within(shop.pool.clone())
        .handler(|_: String, mut tx: Tx| async move { effect(&mut tx, "the same").await });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    broker.publish("8", "8");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    let parked = &broker.parked()[0];
    assert_eq!((parked.message.id(), parked.attempts), ("8", 2));
    assert!(parked.error.contains("once"), "{}", parked.error);
    assert_eq!(count(&shop.pool, EFFECTS).await, 1);
}

#[tokio::test]
async fn while_another_worker_has_the_message_it_is_busy_and_its_handler_does_not_run() {
    require!(Server::Postgres);
    let (shop, broker, ends) = (postgres_shop().await, TestBroker::new(), Ends::default());
    let started = crate::effects::Effects::default();
    let go_on = Arc::new(tokio::sync::Notify::new());
    let (seen, told) = (started.clone(), Arc::clone(&go_on));
    let builder = ends.watch(Consumer::builder("shop.ship", &shop.engine)).lease(millis(500));
    let consumer = builder.within(shop.pool.clone()).handler(move |id: String, mut tx: Tx| {
        seen.add(&id);
        let told = Arc::clone(&told);
        async move {
            told.notified().await;
            effect(&mut tx, &id).await
        }
    });
    broker.publish("7", "7");
    let running = Running::start(&consumer, broker.source());
    until(|| started.of("7") == 1).await;
    broker.publish("7", "7");
    until(|| ends.count(DeliveryOutcome::Busy) >= 1).await;
    go_on.notify_one();
    tokio::time::timeout(secs(60), broker.until_settled(2)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!((started.of("7"), count(&shop.pool, EFFECTS).await), (1, 1));
    assert_eq!(ends.count(DeliveryOutcome::Replayed), 1);
}
