//! That a group on PostgreSQL which is not committed leaves nothing behind that keeps its messages from being handled.

use std::sync::atomic::{AtomicBool, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use idempotent_tests::{Log, millis, secs};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::effects::{Ends, Running, attempts, until};
use crate::gate::Gate;
use crate::inbox::{postgres_database, postgres_shop, postgres_shop_in};
use crate::inbox_group_harness::{
    Behaviour, Failure, GROUPS, Tx, effect, effects, handle_as_a_group, once,
};

/// Why a group was undone.
const UNDONE: &str = "a group's transaction is not committed";

/// Waits until no connection of the pool is left within a transaction.
async fn until_none_is_open(pool: &PgPool) {
    let open = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let closing = async {
        // Not one of its own, which would be active.
        let mut other = PgConnection::connect_with(&pool.connect_options()).await.unwrap();
        while sqlx::query_scalar::<_, i64>(open).fetch_one(&mut other).await.unwrap() > 0 {
            tokio::time::sleep(millis(20)).await;
        }
    };
    tokio::time::timeout(secs(20), closing).await.expect("no transaction stays open");
}

#[tokio::test]
async fn a_handler_that_forgets_a_nested_transaction_and_fails_leaves_no_lock_to_its_group() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let forgets: Behaviour = |id, mut tx| {
        Box::pin(async move {
            if id == "forgets" {
                std::mem::forget((**tx).begin().await?);
                return Err("it fails".into());
            }
            Ok(())
        })
    };
    let ids = ["1", "forgets", "2", "3"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, forgets).await;
    assert_eq!(handled.effects, once(["1", "2", "3"]));
    assert_eq!(handled.parked, ["forgets"]);
    assert_eq!(handled.ends.count(DeliveryOutcome::Busy), 0, "{:?}", handled.ends.all());
    until_none_is_open(&shop.pool).await;
}

#[tokio::test]
async fn a_handler_that_forgets_a_nested_transaction_and_is_interrupted_leaves_no_lock() {
    require!(Server::Postgres);
    let (shop, broker, gate) = (postgres_shop().await, TestBroker::new(), Gate::new());
    let own_gate = gate.clone();
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .stop_within(millis(100))
        .within(shop.pool.clone())
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                effect(&mut tx, &id).await?;
                std::mem::forget((**tx).begin().await?);
                gate.pass(&id).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    broker.publish("gate", "gate");
    let running = Running::start(&consumer, broker.source());
    until(|| gate.arrived.of("gate") == 1).await;
    running.stop().await.unwrap();
    until_none_is_open(&shop.pool).await;
}

static HAS_KEPT: AtomicBool = AtomicBool::new(false);

#[tokio::test]
async fn a_transaction_that_a_handler_keeps_is_ended_by_the_server_and_the_others_go_on() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let store = PostgresStore::builder(shop.pool.clone())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let engine = Idempotency::builder(store).store_timeout(millis(500)).build();
    let (broker, gate, ends) = (TestBroker::new(), Gate::new(), Ends::default());
    let own_gate = gate.clone();
    let builder = Consumer::builder("shop.ship", &engine).attempts(attempts(2)).concurrency(64);
    let builder = ends.watch(gate.watch(builder)).max_run(millis(500)).within(shop.pool.clone());
    let consumer = builder.group(50).handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            if id == "keeps" && !HAS_KEPT.swap(true, Ordering::SeqCst) {
                tokio::spawn(async move {
                    tokio::time::sleep(secs(600)).await;
                    drop(tx);
                });
            }
            Ok::<_, Failure>(())
        }
    });
    gate.publish_behind::<PgPool>(&broker, &["1", "keeps", "2", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(4).await;
    let settled = broker.until_settled(4 + GROUPS);
    tokio::time::timeout(secs(60), settled).await.expect("none waits for the one that is kept");
    running.stop().await.unwrap();
    assert_eq!(effects(&shop.pool).await, once(["1", "2", "3", "keeps"]));
}

#[tokio::test]
async fn messages_whose_group_is_still_being_committed_wait_a_little_and_are_not_busy() {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let shop = postgres_shop().await;
    let mut direct = shop.pool.acquire().await.unwrap();
    // The commit waits for a lock, for longer than the store's timeout.
    let set_up = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(46); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.id = '2') EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock(46)";
    sqlx::raw_sql(set_up).execute(&mut *direct).await.unwrap();
    let store = PostgresStore::builder(shop.pool.clone())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let engine = Idempotency::builder(store).store_timeout(millis(1_000)).build();
    let unlocking = async {
        until(|| !log.events(UNDONE).is_empty()).await;
        tokio::time::sleep(millis(300)).await;
        sqlx::raw_sql("SELECT pg_advisory_unlock(46)").execute(&mut *direct).await.unwrap();
    };
    let nothing: Behaviour = |_, _| Box::pin(async { Ok(()) });
    let handling = handle_as_a_group((&engine, &shop.pool), &["1", "2", "3"], nothing);
    let (handled, ()) = tokio::join!(handling, unlocking);
    assert_eq!(handled.effects, once(["1", "2", "3"]));
    assert_eq!(handled.ends.count(DeliveryOutcome::Busy), 0, "{:?}", handled.ends.all());
}

#[tokio::test]
async fn a_role_that_may_not_delete_handles_messages_singly_and_a_warning_says_why() {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let url = postgres_database().await;
    let shop = postgres_shop_in(&url).await;
    let set_up = "CREATE ROLE inbox_no_delete;
        GRANT ALL ON SCHEMA idempotent TO inbox_no_delete;
        GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA idempotent TO inbox_no_delete;
        GRANT ALL ON effects TO inbox_no_delete";
    sqlx::raw_sql(set_up).execute(&shop.pool).await.unwrap();
    let options = (*shop.pool.connect_options()).clone().options([("role", "inbox_no_delete")]);
    let pool = PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    let nothing: Behaviour = |_, _| Box::pin(async { Ok(()) });
    let handled = handle_as_a_group((&shop.engine, &pool), &["1", "2", "3"], nothing).await;
    assert_eq!(handled.effects, once(["1", "2", "3"]));
    let warnings = log.events("the database refuses what a group needs");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].field("cause").contains("permission denied"), "{warnings:#?}");
}
