//! Messages that wait for a connection of PostgreSQL: their transactions begin where another one is committed.

use std::future::ready;

use futures_util::FutureExt as _;
use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::consumer::{Consumer, InboxBuilder};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use idempotent_tests::{millis, secs};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::oneshot;
use tokio::time::advance;

use crate::effects::attempts;
use crate::gate::Gate;
use crate::inbox::postgres_database;
use crate::inbox_group_harness::{Failure, Tx, effect, effects, logged, once, transactions};
use crate::inbox_turns::{comes_true, stop_the_clock};

/// The first message, whose handler waits until all others wait for its connection.
const GATE: &str = "gate";

/// Handles these messages in transactions of the pool's only connection, all of which wait behind one until this is done.
pub(crate) async fn handle_on_one_connection(
    builder: InboxBuilder<PgPool>,
    (gate, is_done): (&Gate, impl Future<Output = ()>),
    ids: &[String],
) -> TestBroker {
    let (broker, own_gate) = (TestBroker::new(), gate.clone());
    let consumer = builder.handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            Ok::<_, Failure>(())
        }
    });
    // Nor do they wait too long.
    let _held = stop_the_clock();
    tokio::time::pause();
    broker.publish(GATE, GATE);
    for id in ids {
        broker.publish(id.as_str(), id.clone());
    }
    let (source, settled) = (broker.source(), broker.until_settled(1 + ids.len()));
    let running = tokio::spawn(async move { consumer.run(source, settled).await });
    assert!(comes_true(secs(60), || gate.arrived.of(GATE) == 1).await, "the first has not begun");
    assert!(comes_true(secs(60), || gate.joined() == ids.len()).await, "the others do not wait");
    is_done.await;
    gate.opened.add_permits(1);
    assert!(comes_true(secs(60), || running.is_finished()).await, "not all are settled");
    running.await.unwrap().unwrap();
    tokio::time::resume();
    broker
}

/// The engine's store on a pool of its own, and one connection for the transactions.
async fn one_connection() -> (Idempotency, PgPool) {
    let url = postgres_database().await;
    let store = PostgresStore::builder(PgPool::connect(&url).await.unwrap())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    sqlx::query("CREATE TABLE effects (id text NOT NULL)").execute(&pool).await.unwrap();
    (Idempotency::new(store), pool)
}

fn ids<const N: usize>(ids: [&str; N]) -> Vec<String> {
    ids.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn the_next_transaction_begins_in_the_message_that_commits_the_one_before() {
    require!(Server::Postgres);
    let ((server, engine, pool), gate) = (logged(1).await, Gate::new());
    let builder = gate.watch(Consumer::builder("shop.ship", &engine)).concurrency(64);
    let builder = builder.within(pool.clone());
    handle_on_one_connection(builder, (&gate, ready(())), &ids(["1", "2"])).await;
    let all = transactions(&server);
    assert_eq!(all, [["INSERT INSERT UPDATE COMMIT"; 3].join(" ")]);
    assert_eq!(server.log().matches("COMMIT; BEGIN").count(), 2);
    assert_eq!(effects(&pool).await, once(["1", "2"]));
}

#[tokio::test]
async fn a_transaction_whose_commit_fails_takes_no_other_along() {
    require!(Server::Postgres);
    let ((engine, pool), gate) = (one_connection().await, Gate::new());
    let deferred =
        "ALTER TABLE effects ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED";
    sqlx::query(deferred).execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO effects VALUES ('2')").execute(&pool).await.unwrap();
    let builder = gate.watch(Consumer::builder("shop.ship", &engine)).concurrency(64);
    let builder = builder.attempts(attempts(1)).within(pool.clone());
    let ids = ids(["1", "2", "3", "4"]);
    let broker = handle_on_one_connection(builder, (&gate, ready(())), &ids).await;
    assert_eq!(effects(&pool).await, once(["1", "2", "3", "4"]));
    let parked: Vec<_> = broker.parked().iter().map(|it| it.message.id().to_owned()).collect();
    assert_eq!(parked, ["2"]);
}

#[tokio::test]
async fn the_time_that_the_pool_took_to_give_its_connection_does_not_count() {
    require!(Server::Postgres);
    let ((server, engine, pool), gate) = (logged(1).await, Gate::new());
    let builder = gate.watch(Consumer::builder("shop.ship", &engine)).concurrency(64);
    let held = pool.acquire().await.unwrap();
    tokio::spawn(async move {
        for _ in 0..20 {
            comes_true(millis(10), || false).await;
            advance(millis(20)).await;
        }
        drop(held);
    });
    let builder = builder.within(pool.clone());
    handle_on_one_connection(builder, (&gate, ready(())), &ids(["1", "2"])).await;
    assert_eq!(server.log().matches("COMMIT; BEGIN").count(), 2);
}

#[tokio::test]
async fn others_get_the_connection_after_32_transactions_although_messages_wait_for_it() {
    require!(Server::Postgres);
    let ((engine, pool), gate) = (one_connection().await, Gate::new());
    let builder = gate.watch(Consumer::builder("shop.ship", &engine)).concurrency(64);
    let messages: Vec<_> = (0..60).map(|number| number.to_string()).collect();
    let (told, committed) = oneshot::channel();
    let asking = pool.acquire();
    // It waits for the connection that the first message has, and the others wait behind that one.
    let is_asked = async move {
        let mut asking = Box::pin(asking);
        assert!(asking.as_mut().now_or_never().is_none());
        tokio::spawn(async move {
            let mut connection = asking.await.unwrap();
            let count = sqlx::query_scalar("SELECT count(*) FROM effects");
            told.send(count.fetch_one(&mut *connection).await.unwrap()).unwrap();
        });
    };
    let builder = builder.within(pool.clone());
    // On a clock that stands still, so that it is not the time after which the connection goes back.
    handle_on_one_connection(builder, (&gate, is_asked), &messages).await;
    let committed: i64 = committed.await.unwrap();
    assert_eq!(committed, 32);
}
