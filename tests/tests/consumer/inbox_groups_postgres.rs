//! Messages that share a transaction of PostgreSQL: commits that are lost or refused, outages, deadlines and the outbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use idempotent_core::consumer::{Consumer, DeliveryOutcome, InboxPool, InboxTransaction};
use idempotent_core::outbox::{self, Outbox};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use idempotent_tests::{Log, millis, secs};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection, PgPool, Postgres};

use crate::effects::{Effects, Ends, Running, attempts, until};
use crate::gate::Gate;
use crate::inbox::{Shop, postgres_shop};
use crate::inbox_postgres::{through_a_proxy, until_waited_for};

type Tx = InboxTransaction<Postgres>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

const GROUPS: usize = <PgPool as InboxPool>::GROUPS;

async fn effect(tx: &mut Tx, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO effects VALUES ($1)").bind(id).execute(&mut ***tx).await.map(drop)
}

async fn effects(connection: &mut PgConnection) -> BTreeMap<String, i64> {
    let all = "SELECT id, count(*) FROM effects WHERE id NOT LIKE 'gate%' GROUP BY id";
    sqlx::query_as(all).fetch_all(connection).await.unwrap().into_iter().collect()
}

fn once<const N: usize>(ids: [&str; N]) -> BTreeMap<String, i64> {
    ids.map(|id| (id.to_owned(), 1)).into()
}

#[tokio::test]
async fn messages_that_wait_share_a_transaction() {
    require!(Server::Postgres);
    shares_transactions(postgres_shop().await).await;
}

pub(crate) async fn shares_transactions(shop: Shop<PgPool>) {
    let (broker, gate) = (TestBroker::new(), Gate::new());
    sqlx::query("CREATE TABLE seen (id text, transaction xid8)").execute(&shop.pool).await.unwrap();
    let own_gate = gate.clone();
    let consumer = gate
        .watch(Consumer::builder("shop.ship", &shop.engine))
        .concurrency(64)
        .within(shop.pool.clone())
        .group(3)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                let insert = "INSERT INTO seen VALUES ($1, pg_current_xact_id())";
                sqlx::query(insert).bind(&id).execute(&mut **tx).await?;
                gate.pass(&id).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3", "4", "5", "6", "7"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(7).await;
    tokio::time::timeout(secs(60), broker.until_settled(7 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    let sizes: Vec<i64> = sqlx::query_scalar(
        "SELECT count(*) AS size FROM seen WHERE id NOT LIKE 'gate%' GROUP BY transaction ORDER BY size",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(sizes, [1, 3, 3]);
}

#[tokio::test]
async fn a_group_whose_commit_has_no_answer_is_found_out_and_nothing_happens_twice() {
    require!(Server::Postgres);
    let (engine, proxy, pool, url) = through_a_proxy().await;
    let mut direct = PgConnection::connect(&url).await.unwrap();
    // The commit waits for a lock, so that its answer can be lost and no other one.
    let set_up = "CREATE TABLE effects (id text NOT NULL);
        CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(44); RETURN NULL; END';
        CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.id = '2') EXECUTE FUNCTION wait();
        SELECT pg_advisory_lock(44)";
    sqlx::raw_sql(set_up).execute(&mut direct).await.unwrap();
    let (broker, ends, runs) = (TestBroker::new(), Ends::default(), Effects::default());
    let (gate, ran) = (Gate::new(), runs.clone());
    let own_gate = gate.clone();
    let builder =
        ends.watch(gate.watch(Consumer::builder("shop.ship", &engine))).attempts(attempts(1));
    let consumer = builder.within(pool).group(50).handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        ran.add(&id);
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            Ok::<_, sqlx::Error>(())
        }
    });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(3).await;
    until_waited_for(&mut direct, 44).await;
    until(|| ends.all().len() == GROUPS).await;
    proxy.stall_replies();
    sqlx::raw_sql("SELECT pg_advisory_unlock(44)").execute(&mut direct).await.unwrap();
    let committed = async {
        while effects(&mut direct).await.is_empty() {
            tokio::time::sleep(millis(10)).await;
        }
    };
    tokio::time::timeout(secs(60), committed).await.expect("it is committed");
    proxy.cut();
    proxy.resume();
    tokio::time::timeout(secs(60), broker.until_settled(3 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(ends.count(DeliveryOutcome::Replayed), 3, "{:?}", ends.all());
    assert_eq!(effects(&mut direct).await, once(["1", "2", "3"]));
    assert_eq!((runs.of("1"), runs.of("2"), runs.of("3")), (1, 1, 1));
}

#[tokio::test]
async fn a_database_that_goes_away_while_a_group_runs_pauses_and_costs_no_attempt() {
    require!(Server::Postgres);
    let (log, _guard) = Log::listen();
    let (engine, proxy, pool, url) = through_a_proxy().await;
    let mut direct = PgConnection::connect(&url).await.unwrap();
    let set_up = "CREATE TABLE effects (id text NOT NULL); SELECT pg_advisory_lock(45)";
    sqlx::raw_sql(set_up).execute(&mut direct).await.unwrap();
    let (broker, ends, runs) = (TestBroker::new(), Ends::default(), Effects::default());
    let (gate, ran) = (Gate::new(), runs.clone());
    let own_gate = gate.clone();
    let builder =
        ends.watch(gate.watch(Consumer::builder("shop.ship", &engine))).attempts(attempts(1));
    let consumer = builder.within(pool).group(50).handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        ran.add(&id);
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            let lock = sqlx::query("SELECT pg_advisory_xact_lock(45) WHERE $1 = '2'").bind(id);
            lock.execute(&mut **tx).await.map(drop)
        }
    });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(3).await;
    until_waited_for(&mut direct, 45).await;
    until(|| ends.all().len() == GROUPS).await;
    proxy.refuse();
    proxy.cut();
    until(|| !log.events("consumption pauses").is_empty()).await;
    assert_eq!(ends.all().len(), GROUPS, "{:?}", ends.all());
    sqlx::raw_sql("SELECT pg_advisory_unlock(45)").execute(&mut direct).await.unwrap();
    proxy.accept();
    tokio::time::timeout(secs(60), broker.until_settled(3 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(ends.count(DeliveryOutcome::Executed), 3 + GROUPS, "{:?}", ends.all());
    assert_eq!(effects(&mut direct).await, once(["1", "2", "3"]));
    assert_eq!(runs.of("1"), 2, "in the group, and by itself");
}

#[tokio::test]
async fn a_statement_that_waits_for_a_lock_holds_up_no_other_message_of_its_group() {
    require!(Server::Postgres);
    let (shop, broker, gate) = (postgres_shop().await, TestBroker::new(), Gate::new());
    sqlx::raw_sql("CREATE TABLE stock (sold int); INSERT INTO stock VALUES (0)")
        .execute(&shop.pool)
        .await
        .unwrap();
    // Somebody who has the row, and does nothing.
    let mut idle = shop.pool.begin().await.unwrap();
    sqlx::query("UPDATE stock SET sold = 7").execute(&mut *idle).await.unwrap();
    let (ends, own_gate) = (Ends::default(), gate.clone());
    let consumer = ends
        .watch(gate.watch(Consumer::builder("shop.ship", &shop.engine)))
        .attempts(attempts(1))
        .max_run(secs(5))
        .within(shop.pool.clone())
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                let update = sqlx::query("UPDATE stock SET sold = 1 WHERE $1 = 'stuck'").bind(id);
                update.execute(&mut **tx).await.map(drop)
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "stuck", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(4).await;
    tokio::time::timeout(secs(60), broker.until_settled(4 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    drop(idle);
    assert_eq!(effects(&mut shop.pool.acquire().await.unwrap()).await, once(["1", "2", "3"]));
    assert_eq!(ends.count(DeliveryOutcome::Executed), 3 + GROUPS, "{:?}", ends.all());
    assert_eq!(broker.parked()[0].message.id(), "stuck");
}

/// The `statement_timeout` in a group that has 20 seconds, in milliseconds, where sessions have this one.
pub(crate) async fn limit_in_a_group(shop: Shop<PgPool>, session: &str) -> i64 {
    let (broker, gate) = (TestBroker::new(), Gate::new());
    let options = (*shop.pool.connect_options()).clone().options([("statement_timeout", session)]);
    let pool = PgPoolOptions::new().max_connections(16).connect_with(options).await.unwrap();
    let (own_gate, seen) = (gate.clone(), Arc::new(Mutex::new(BTreeMap::new())));
    let shown = Arc::clone(&seen);
    let consumer = gate
        .watch(Consumer::builder("shop.ship", &shop.engine))
        .max_run(secs(20))
        .within(pool)
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let (gate, shown) = (own_gate.clone(), Arc::clone(&shown));
            async move {
                gate.pass(&id).await;
                let limit =
                    "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'";
                let limit: i64 = sqlx::query_scalar(limit).fetch_one(&mut **tx).await?;
                shown.lock().unwrap().insert(id, limit);
                Ok::<_, sqlx::Error>(())
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "2"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(2).await;
    tokio::time::timeout(secs(60), broker.until_settled(2 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen["1"], seen["2"]);
    seen["2"]
}

#[tokio::test]
async fn a_statement_of_a_group_has_the_groups_time_or_what_the_session_says_if_that_is_shorter() {
    require!(Server::Postgres);
    for session in ["0", "1min"] {
        let limit = limit_in_a_group(postgres_shop().await, session).await;
        assert!((10_000..=20_000).contains(&limit), "{session}: {limit}");
    }
    assert_eq!(limit_in_a_group(postgres_shop().await, "700ms").await, 700);
    assert_eq!(limit_in_a_group(postgres_shop().await, "9s").await, 9_000);
}

#[tokio::test]
async fn a_constraint_that_fails_at_the_commit_of_a_group_parks_one_message() {
    require!(Server::Postgres);
    parks_what_fails_at_the_commit(postgres_shop().await).await;
}

pub(crate) async fn parks_what_fails_at_the_commit(shop: Shop<PgPool>) {
    let (broker, gate) = (TestBroker::new(), Gate::new());
    let deferred =
        "ALTER TABLE effects ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED";
    sqlx::query(deferred).execute(&shop.pool).await.unwrap();
    sqlx::query("INSERT INTO effects VALUES ('there')").execute(&shop.pool).await.unwrap();
    let own_gate = gate.clone();
    let consumer = gate
        .watch(Consumer::builder("shop.ship", &shop.engine))
        .attempts(attempts(2))
        .within(shop.pool.clone())
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "there", "2"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(3).await;
    tokio::time::timeout(secs(60), broker.until_settled(3 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    let parked = broker.parked();
    assert_eq!((parked.len(), parked[0].message.id(), parked[0].attempts), (1, "there", 2));
    let mut connection = shop.pool.acquire().await.unwrap();
    assert_eq!(effects(&mut connection).await, once(["1", "2", "there"]));
}

#[tokio::test]
async fn messages_of_the_outbox_are_those_of_the_handlers_that_succeeded() {
    require!(Server::Postgres);
    publishes_what_succeeds(postgres_shop().await).await;
}

pub(crate) async fn publishes_what_succeeds(shop: Shop<PgPool>) {
    let (broker, gate) = (TestBroker::new(), Gate::new());
    let own_gate = gate.clone();
    let consumer = gate
        .watch(Consumer::builder("shop.ship", &shop.engine))
        .attempts(attempts(1))
        .within(shop.pool.clone())
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                gate.pass(&id).await;
                if !id.starts_with("gate") {
                    outbox::publish(&mut tx, "orders.shipped", &id, &id).await?;
                }
                if id == "bad" { Err("it is no good".into()) } else { Ok::<_, Failure>(()) }
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "bad", "2", "2"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(4).await;
    tokio::time::timeout(secs(60), broker.until_settled(4 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(Outbox::new(shop.pool.clone()).backlog().await.unwrap().pending, 2);
    assert_eq!(broker.parked().len(), 1);
}

#[tokio::test]
async fn a_group_that_takes_longer_than_the_deadline_is_kept_alive_as_a_whole() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::with_deadline(secs(6)));
    let (gate, ends) = (Gate::new(), Ends::default());
    let own_gate = gate.clone();
    let consumer = ends
        .watch(gate.watch(Consumer::builder("shop.ship", &shop.engine)))
        .within(shop.pool.clone())
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                tokio::time::sleep(millis(2_000)).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3", "4"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(4).await;
    tokio::time::timeout(secs(60), broker.until_settled(4 + GROUPS)).await.unwrap();
    running.stop().await.unwrap();
    assert_eq!(broker.deliveries(), (4 + GROUPS) as u64);
    assert_eq!(ends.count(DeliveryOutcome::Executed), 4 + GROUPS);
}

#[tokio::test]
async fn a_message_that_was_delivered_before_has_a_transaction_of_its_own() {
    require!(Server::Postgres);
    let (shop, broker, gate) = (postgres_shop().await, TestBroker::new(), Gate::new());
    let (ends, runs) = (Ends::default(), Effects::default());
    let (own_gate, ran) = (gate.clone(), runs.clone());
    let consumer = ends
        .watch(gate.watch(Consumer::builder("shop.ship", &shop.engine)))
        .within(shop.pool.clone())
        .group(50)
        .handler(move |id: String, mut tx: Tx| {
            let gate = own_gate.clone();
            ran.add(&id);
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                Ok::<_, sqlx::Error>(())
            }
        });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    broker.until_delivered((GROUPS + 3) as u64).await;
    broker.redeliver("2");
    // It does not wait for those that have the turn.
    until(|| ends.count(DeliveryOutcome::Executed) == 1).await;
    assert_eq!((runs.of("1"), runs.of("2"), runs.of("3")), (0, 1, 0));
    gate.open::<PgPool>(4).await;
    until(|| ends.all().len() == GROUPS + 4).await;
    running.stop().await.unwrap();
    assert_eq!(ends.count(DeliveryOutcome::Replayed), 1);
    assert_eq!(effects(&mut shop.pool.acquire().await.unwrap()).await, once(["1", "2", "3"]));
}
