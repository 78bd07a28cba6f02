//! What one message of a group on PostgreSQL could do to the others: nothing that is recorded as done is undone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use idempotent_core::backends::transact;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_servers::{Server, require};
use idempotent_tests::secs;
use sqlx::Connection as _;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::Barrier;

use crate::effects::Effects;
use crate::inbox::{postgres_database, postgres_shop};
use crate::inbox_group_harness::{
    Behaviour, Failure, Tx, effect, effects, handle_as_a_group, handle_in, once,
};

#[tokio::test]
async fn a_savepoint_that_one_handler_leaves_lets_no_other_undo_what_is_recorded() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let leaves: Behaviour = |id, mut tx| {
        Box::pin(async move {
            let text = match id.as_str() {
                "leaves" => "SAVEPOINT leftover",
                "undoes" => "ROLLBACK TO SAVEPOINT leftover",
                _ => "SELECT 1",
            };
            sqlx::raw_sql(text).execute(&mut **tx).await?;
            Ok(())
        })
    };
    let ids = ["leaves", "2", "undoes", "4"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, leaves).await;
    assert_eq!(handled.effects, once(["leaves", "2", "4"]), "{:?}", handled.ends.all());
    assert_eq!(handled.parked, ["undoes"]);
    assert_eq!(handled.of("2"), [DeliveryOutcome::Executed]);
}

#[tokio::test]
async fn two_handlers_that_know_how_the_savepoint_was_called_do_not_undo_what_is_recorded() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let shifts: Behaviour = |id, mut tx| {
        Box::pin(async move {
            let text = match id.as_str() {
                "shifts" => {
                    "RELEASE SAVEPOINT idempotent_member; SAVEPOINT s; SAVEPOINT idempotent_member"
                }
                "undoes" => "ROLLBACK TO s; RELEASE s; SAVEPOINT idempotent_member",
                _ => "SELECT 1",
            };
            sqlx::raw_sql(text).execute(&mut **tx).await?;
            Ok(())
        })
    };
    let ids = ["shifts", "2", "undoes"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, shifts).await;
    assert_eq!(handled.effects, once(["2"]), "{:?}", handled.ends.all());
    assert_eq!(handled.of("2"), [DeliveryOutcome::Executed]);
}

/// A handler that begins a transaction within its own, and forgets it: sqlx goes on to count it.
fn forgets(
    id: String,
    mut tx: Tx,
) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    Box::pin(async move {
        if id == "forgets" {
            std::mem::forget((**tx).begin().await?);
        }
        Ok(())
    })
}

#[tokio::test]
async fn a_nested_transaction_that_one_handler_forgets_costs_no_message_its_effect() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let ids = ["1", "forgets", "2", "3"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, forgets).await;
    assert_eq!(handled.effects, once(["1", "forgets", "2", "3"]));
    assert!(handled.parked.is_empty(), "{:?}", handled.parked);
    // Its connections can be used again.
    let broker = TestBroker::new();
    let consumer = Consumer::builder("shop.ship", &shop.engine)
        .within(shop.pool.clone())
        .handler(|id: String, mut tx: Tx| async move { effect(&mut tx, &id).await });
    for id in ["4", "5", "6"] {
        broker.publish(id, id);
    }
    let settled = tokio::time::timeout(secs(60), broker.until_settled(3));
    consumer
        .run(broker.source(), async { settled.await.expect("they are settled") })
        .await
        .unwrap();
    assert_eq!(effects(&shop.pool).await, once(["1", "2", "3", "4", "5", "6", "forgets"]));
}

#[tokio::test]
async fn a_nested_transaction_that_the_handler_of_a_message_by_itself_forgets_is_committed() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let consumer = Consumer::builder("shop.ship", &shop.engine).within(shop.pool.clone()).handler(
        |id: String, mut tx: Tx| async move {
            effect(&mut tx, &id).await?;
            forgets("forgets".to_owned(), tx).await
        },
    );
    for id in ["1", "2", "3"] {
        broker.publish(id, id);
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!(effects(&shop.pool).await, once(["1", "2", "3"]));
    assert!(broker.parked().is_empty());
}

#[tokio::test]
async fn a_connection_on_which_sqlx_counts_a_forgotten_transaction_begins_one_anew() {
    require!(Server::Postgres);
    let url = postgres_database().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let create = sqlx::query("CREATE TABLE effects (id text NOT NULL)");
    create.execute(&pool).await.unwrap();
    let forgetting = transact(&pool, async |mut tx| {
        std::mem::forget((*tx).begin().await?);
        sqlx::query("INSERT INTO effects VALUES ('1')").execute(&mut **tx).await
    });
    forgetting.await.unwrap();
    let again = transact(&pool, async |mut tx| {
        sqlx::query("INSERT INTO effects VALUES ('2')").execute(&mut **tx).await
    });
    again.await.unwrap();
    assert_eq!(effects(&pool).await, once(["1", "2"]));
}

#[tokio::test]
async fn a_group_one_of_whose_records_cannot_be_written_is_undone_and_its_messages_are_handled_singly()
 {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    // A call outside of a transaction does not ask who is at work on the id, and completes it meanwhile.
    let elsewhere: Behaviour = |id, tx| {
        Box::pin(async move {
            if id == "taken" {
                complete_elsewhere().await?;
            }
            drop(tx);
            Ok(())
        })
    };
    ELSEWHERE.get_or_init(|| shop.engine.clone());
    let ids = ["1", "taken", "1", "2", "taken"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, elsewhere).await;
    assert_eq!(handled.effects, once(["1", "2"]));
    // By themselves, the two may meet.
    let mut twins = handled.of("1");
    twins.retain(|outcome| *outcome != DeliveryOutcome::Busy);
    assert_eq!(twins, [DeliveryOutcome::Executed, DeliveryOutcome::Replayed]);
    assert_eq!(handled.of("taken"), [DeliveryOutcome::Replayed, DeliveryOutcome::Replayed]);
    assert!(handled.parked.is_empty(), "{:?}", handled.parked);
}

static ELSEWHERE: OnceLock<Idempotency> = OnceLock::new();

async fn complete_elsewhere() -> Result<(), Failure> {
    let (engine, broker) = (ELSEWHERE.get().ok_or("there is no engine")?, TestBroker::new());
    let consumer =
        Consumer::builder("shop.ship", engine).handler(|_: String| async { Ok::<_, Failure>(()) });
    broker.publish("taken", "taken");
    Ok(consumer.run(broker.source(), broker.until_settled(1)).await?)
}

/// The engine of each handler that makes its message's own call.
static CALLING: Mutex<BTreeMap<&str, Idempotency>> = Mutex::new(BTreeMap::new());
static RUNS: AtomicU32 = AtomicU32::new(0);

/// A handler that makes its message's own call, in its transaction or outside of it, or through another call.
fn calls_itself(
    id: String,
    mut tx: Tx,
) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    Box::pin(async move {
        let engine = CALLING.lock().unwrap().get(id.as_str()).cloned();
        let Some(engine) = engine else { return Ok(()) };
        let call = Operation::new("shop.ship").key(id.as_str()).engine(&engine);
        let call = call.returning::<Result<(), idempotent_core::Error>>();
        match id.as_str() {
            "within" => {
                let running = call.in_transaction(&mut **tx).run(|tx| async move {
                    RUNS.fetch_add(1, Ordering::SeqCst);
                    (tx, Ok(()))
                });
                running.await?;
            }
            "outside" => {
                let running = call.run(|| async {
                    RUNS.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                });
                running.await?;
            }
            "through" => {
                let other = Operation::new("shop.look").key(id.as_str()).engine(&engine);
                let other = other.returning::<Result<(), idempotent_core::Error>>();
                let running = other.run(|| {
                    call.run(|| async {
                        RUNS.fetch_add(1, Ordering::SeqCst);
                        Ok(())
                    })
                });
                running.await?;
            }
            _ => {}
        }
        Ok(())
    })
}

/// Expects that its group has reserved nothing yet as it calls itself in this way, and that it is refused nevertheless.
async fn is_refused(way: &'static str) {
    let shop = postgres_shop().await;
    CALLING.lock().unwrap().insert(way, shop.engine.clone());
    let ids = ["1", way, "2"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, calls_itself).await;
    assert_eq!(handled.effects, once(["1", "2"]));
    assert_eq!(handled.parked, [way]);
    assert_eq!(RUNS.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handler_that_makes_its_own_call_in_its_transaction_is_refused() {
    require!(Server::Postgres);
    is_refused("within").await;
}

#[tokio::test]
async fn a_handler_that_makes_its_own_call_outside_of_its_transaction_is_refused() {
    require!(Server::Postgres);
    is_refused("outside").await;
}

#[tokio::test]
async fn a_handler_that_makes_its_own_call_through_another_one_is_refused() {
    require!(Server::Postgres);
    is_refused("through").await;
}

#[tokio::test]
async fn a_task_of_a_handler_that_makes_the_messages_own_call_finds_it_in_progress() {
    require!(Server::Postgres);
    let (shop, broker) = (postgres_shop().await, TestBroker::new());
    let (engine, found) = (shop.engine.clone(), Arc::new(OnceLock::new()));
    let finding = Arc::clone(&found);
    let builder = Consumer::builder("shop.ship", &shop.engine).within(shop.pool.clone());
    let consumer = builder.handler(move |id: String, mut tx: Tx| {
        let (engine, found) = (engine.clone(), Arc::clone(&finding));
        async move {
            effect(&mut tx, &id).await?;
            let running = tokio::spawn(async move {
                let call = Operation::new("shop.ship").key(id.as_str()).engine(&engine);
                let call = call.returning::<Result<(), idempotent_core::Error>>();
                call.in_transaction(&mut **tx).run(|tx| async move { (tx, Ok(())) }).await
            });
            let _ = found.set(running.await?.map_err(|error| error.kind()));
            Ok::<_, Failure>(())
        }
    });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!(found.get(), Some(&Err(ErrorKind::InProgress)));
    assert_eq!(effects(&shop.pool).await, once(["7"]));
}

#[tokio::test]
async fn two_groups_that_write_the_same_rows_in_opposite_orders_both_take_effect_once() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let rows = "CREATE TABLE stock (item text PRIMARY KEY, sold int NOT NULL);
        INSERT INTO stock VALUES ('a', 0), ('b', 0)";
    sqlx::raw_sql(rows).execute(&shop.pool).await.unwrap();
    let options = (*shop.pool.connect_options()).clone().options([("deadlock_timeout", "100ms")]);
    let pool = PgPoolOptions::new().max_connections(16).connect_with(options).await.unwrap();
    let sells: Behaviour = |id, mut tx| {
        Box::pin(async move {
            let item = &id[..1];
            let update = "UPDATE stock SET sold = sold + 1 WHERE item = $1";
            sqlx::query(update).bind(item).execute(&mut **tx).await?;
            if id.ends_with("first") {
                BOTH.meet(item).await;
            }
            Ok(())
        })
    };
    let (one, other) = (["a-first", "b-last"], ["b-first", "a-last"]);
    let (one, other) = tokio::join!(
        handle_in("shop.one", (&shop.engine, &pool), &one, sells),
        handle_in("shop.other", (&shop.engine, &pool), &other, sells),
    );
    let ids = ["a-first", "a-last", "b-first", "b-last"];
    assert_eq!(effects(&pool).await, once(ids));
    assert!(one.parked.is_empty() && other.parked.is_empty());
    let runs: u32 = ids.iter().map(|id| one.runs.of(id) + other.runs.of(id)).sum();
    assert!(runs > 4, "there was no deadlock");
    let sold = sqlx::query_as::<_, (String, i32)>("SELECT item, sold FROM stock ORDER BY item");
    let sold = sold.fetch_all(&pool).await.unwrap();
    assert_eq!(sold, [("a".to_owned(), 2), ("b".to_owned(), 2)]);
}

static BOTH: LazyLock<Meeting> =
    LazyLock::new(|| Meeting { barrier: Barrier::new(2), came: Effects::default() });

/// Where each of two waits, the first time it comes, until the other one has its row too.
struct Meeting {
    barrier: Barrier,
    came: Effects,
}

impl Meeting {
    async fn meet(&self, who: &str) {
        if self.came.add(who) == 1 {
            tokio::time::timeout(secs(30), self.barrier.wait()).await.expect("the other one comes");
        }
    }
}
