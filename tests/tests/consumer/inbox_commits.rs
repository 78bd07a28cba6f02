//! How the transactions of messages end on PostgreSQL: what they cost, and that nothing of one is committed whose handler
//! has ended it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use idempotent_core::Idempotency;
use idempotent_core::backends::PostgresStore;
use idempotent_core::call::CallOutcome;
use idempotent_core::consumer::{Consumer, DeliveryOutcome};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use idempotent_tests::{millis, secs};
use sqlx::{Connection as _, PgPool};
use tokio::sync::Notify;

use crate::effects::{Effects, Ends, Running, until};
use crate::gate::Gate;
use crate::inbox::postgres_shop;
use crate::inbox_group_harness::{
    Behaviour, Failure, GROUPS, Tx, effect, effects, handle_as_a_group, handle_in, logged, once,
    transactions,
};

#[tokio::test]
async fn a_message_costs_five_messages_to_the_server_and_a_copy_of_it_four() {
    require!(Server::Postgres);
    let ((server, engine, pool), broker) = (logged(1).await, TestBroker::new());
    let consumer = Consumer::builder("shop.ship", &engine)
        .within(pool)
        .handler(|id: String, mut tx: Tx| async move { effect(&mut tx, &id).await });
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    broker.publish("7", "7");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    let expected = ["INSERT INSERT UPDATE COMMIT", "INSERT SELECT ROLLBACK"];
    assert_eq!(transactions(&server), expected);
}

#[tokio::test]
async fn a_group_has_one_statement_before_its_handlers_and_one_after_them_for_all_its_records() {
    require!(Server::Postgres);
    let (server, engine, pool) = logged(8).await;
    let handled =
        handle_as_a_group((&engine, &pool), &["1", "2", "3"], |_, _| Box::pin(async { Ok(()) }));
    assert_eq!(handled.await.effects, once(["1", "2", "3"]));
    let all = transactions(&server);
    let expected =
        "WITH SAVEPOINT INSERT RELEASE INSERT RELEASE INSERT RELEASE RELEASE WITH COMMIT";
    assert!(all.contains(&expected.to_owned()), "{all:#?}");
}

/// A server keeps statistics of statements by their text.
#[tokio::test]
async fn all_groups_of_a_process_have_the_same_savepoint() {
    require!(Server::Postgres);
    let (server, engine, pool) = logged(8).await;
    let mut names = Vec::new();
    for consumer in ["shop.ship", "shop.bill"] {
        let shop = (&engine, &pool);
        handle_in(consumer, shop, &["1", "2"], |_, _| Box::pin(async { Ok(()) })).await;
        // After each: the harness keeps the end of the log.
        let log = server.log();
        let named = log.split("SAVEPOINT idempotent_").filter_map(|rest| rest.get(..32));
        let is_random = |name: &&str| name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let of_group: Vec<_> = named.filter(is_random).map(str::to_owned).collect();
        assert!(of_group.len() >= 4, "{of_group:?}");
        names.extend(of_group);
    }
    assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
}

#[tokio::test]
async fn a_group_that_stops_sends_nothing_for_the_messages_that_have_not_started() {
    require!(Server::Postgres);
    let ((server, _, pool), broker) = (logged(8).await, TestBroker::new());
    let executed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&executed);
    let engine = Idempotency::builder(
        PostgresStore::builder(pool.clone())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    );
    let engine = engine.on_outcome(move |call| {
        counted.fetch_add((call.outcome == CallOutcome::Executed).into(), Ordering::SeqCst);
    });
    let (gate, going_on, ends) = (Gate::new(), Gate::new(), Ends::default());
    let (own_gate, second) = (gate.clone(), going_on.clone());
    let builder = Consumer::builder("shop.ship", &engine.build()).concurrency(64);
    let consumer = ends.watch(gate.watch(builder)).within(pool.clone()).group(50).handler(
        move |id: String, mut tx: Tx| {
            let (gate, second) = (own_gate.clone(), second.clone());
            async move {
                effect(&mut tx, &id).await?;
                gate.pass(&id).await;
                let waits = if id == "1" { "gate" } else { "" };
                second.pass(waits).await;
                Ok::<_, Failure>(())
            }
        },
    );
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3", "4"]).await;
    let mut running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(4).await;
    until(|| going_on.arrived.of("gate") == 1).await;
    running.tell_to_stop();
    tokio::time::sleep(millis(50)).await;
    going_on.opened.add_permits(8);
    running.ended().await.unwrap();
    assert_eq!(effects(&pool).await, once(["1"]));
    assert_eq!(ends.count(DeliveryOutcome::GivenBack), 3, "{:?}", ends.all());
    assert_eq!(executed.load(Ordering::SeqCst), 1 + GROUPS, "those whose handlers ran");
    let all = transactions(&server);
    let expected = "WITH SAVEPOINT INSERT RELEASE RELEASE WITH COMMIT".to_owned();
    assert!(all.contains(&expected), "{all:#?}");
}

#[tokio::test]
async fn a_message_of_a_group_does_not_pay_for_the_time_that_those_before_it_took() {
    require!(Server::Postgres);
    let shop = postgres_shop().await;
    let store = PostgresStore::builder(shop.pool.clone())
        .connect_with_retry(std::time::Duration::from_secs(20))
        .await
        .unwrap();
    let engine = Idempotency::builder(store).store_timeout(secs(2)).build();
    let slow: Behaviour = |id, tx| {
        Box::pin(async move {
            let pause = if id == "1" { millis(2_500) } else { millis(0) };
            tokio::time::sleep(pause).await;
            drop(tx);
            Ok(())
        })
    };
    let handled = handle_as_a_group((&engine, &shop.pool), &["1", "2", "3"], slow).await;
    assert_eq!(handled.effects, once(["1", "2", "3"]));
    let runs = ["1", "2", "3"].map(|id| handled.runs.of(id));
    assert_eq!(runs, [1, 1, 1], "all in the group: {:?}", handled.ends.all());
}

#[tokio::test]
async fn messages_of_a_group_whose_records_have_expired_are_recorded_in_turn_and_committed_with_care()
 {
    require!(Server::Postgres);
    let (server, engine, pool) = logged(8).await;
    let shop = (&engine, &pool);
    let expire = "UPDATE idempotent.records SET expires_at = clock_timestamp() - interval '1 s'";
    let nothing: Behaviour = |_, _| Box::pin(async { Ok(()) });
    handle_as_a_group(shop, &["expired"], nothing).await;
    sqlx::query(expire).execute(&pool).await.unwrap();
    let handled = handle_as_a_group(shop, &["1", "expired", "2", "expired"], nothing).await;
    assert_eq!(["1", "expired", "2"].map(|id| handled.runs.of(id)), [1, 1, 1]);
    assert_eq!(handled.of("expired"), [DeliveryOutcome::Executed, DeliveryOutcome::Replayed]);
    // The record that replaces the expired one is within the savepoint of its own effect, not of the next one's.
    let together =
        "SELECT count(*) FROM idempotent.records AS r JOIN effects AS e ON r.xmin = e.xmin
        WHERE e.id = 'expired'";
    let together: i64 = sqlx::query_scalar(together).fetch_one(&pool).await.unwrap();
    assert_eq!(together, 1);
    sqlx::query(expire).execute(&pool).await.unwrap();
    let handled = handle_as_a_group(shop, &["1", "2"], nothing).await;
    assert_eq!(["1", "2"].map(|id| handled.runs.of(id)), [1, 1]);
    assert_eq!(handled.effects.values().copied().collect::<Vec<i64>>(), [2, 2, 2]);
    // No record that was inserted last tells that the transaction can be committed, so the database is asked.
    assert!(server.log().contains("SAVEPOINT idempotent_commit"), "{}", server.log());
}

/// Has a handler end its transaction in this way, in the middle of others, and hide it.
async fn ends_alone(behaviour: Behaviour) {
    let shop = postgres_shop().await;
    let ids = ["1", "bad", "2", "3"];
    let handled = handle_as_a_group((&shop.engine, &shop.pool), &ids, behaviour).await;
    assert_eq!(handled.effects, once(["1", "2", "3"]));
    assert_eq!(handled.parked, ["bad"]);
    for id in ["1", "2", "3"] {
        assert_eq!(handled.of(id), [DeliveryOutcome::Executed], "{id}");
    }
}

/// The behaviour of one that runs this text, and hides what comes of it.
macro_rules! runs {
    ($text:literal) => {
        |id, mut tx| {
            Box::pin(async move {
                let text = if id == "bad" { $text } else { "SELECT 1" };
                let _ = sqlx::raw_sql(text).execute(&mut **tx).await;
                Ok(())
            })
        }
    };
}

#[tokio::test]
async fn a_handler_that_commits_by_hand_does_so_alone() {
    require!(Server::Postgres);
    ends_alone(runs!("COMMIT")).await;
}

#[tokio::test]
async fn a_handler_that_begins_another_transaction_by_hand_does_so_alone() {
    require!(Server::Postgres);
    ends_alone(runs!("ROLLBACK; BEGIN")).await;
}

#[tokio::test]
async fn a_handler_that_begins_another_transaction_with_a_savepoint_of_the_same_name_does_so_alone()
{
    require!(Server::Postgres);
    ends_alone(runs!("ROLLBACK; BEGIN; SAVEPOINT idempotent_member")).await;
}

#[tokio::test]
async fn a_handler_that_hides_a_failed_statement_in_a_group_does_so_alone() {
    require!(Server::Postgres);
    ends_alone(runs!("SELECT 1 / 0")).await;
}

#[tokio::test]
async fn a_handler_that_drops_a_nested_begin_halfway_does_so_alone() {
    require!(Server::Postgres);
    async fn drop_halfway(mut tx: Tx) {
        // One that is answered at once has begun.
        loop {
            let mut begin = Box::pin((**tx).begin());
            if poll_fn(|cx| Poll::Ready(begin.as_mut().poll(cx).is_pending())).await {
                return;
            }
        }
    }
    ends_alone(|id, tx| {
        Box::pin(async move {
            if id == "bad" {
                drop_halfway(tx).await;
            }
            Ok(())
        })
    })
    .await;
}

#[tokio::test]
async fn a_message_of_a_group_that_another_worker_has_is_busy_and_the_others_are_handled() {
    require!(Server::Postgres);
    let (shop, ends) = (postgres_shop().await, Ends::default());
    let (elsewhere, broker) = (TestBroker::new(), TestBroker::new());
    let (started, go_on) = (Effects::default(), Arc::new(Notify::new()));
    let (seen, told) = (started.clone(), Arc::clone(&go_on));
    let builder = || Consumer::builder("shop.ship", &shop.engine).concurrency(64);
    let other = builder().within(shop.pool.clone()).handler(move |id: String, mut tx: Tx| {
        seen.add(&id);
        let told = Arc::clone(&told);
        async move {
            told.notified().await;
            effect(&mut tx, &id).await
        }
    });
    elsewhere.publish("2", "2");
    let running_elsewhere = Running::start(&other, elsewhere.source());
    until(|| started.of("2") == 1).await;
    let gate = Gate::new();
    let own_gate = gate.clone();
    let grouped = ends.watch(gate.watch(builder())).within(shop.pool.clone()).group(50);
    let consumer = grouped.handler(move |id: String, mut tx: Tx| {
        let gate = own_gate.clone();
        async move {
            effect(&mut tx, &id).await?;
            gate.pass(&id).await;
            Ok::<_, Failure>(())
        }
    });
    gate.publish_behind::<PgPool>(&broker, &["1", "2", "3"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<PgPool>(3).await;
    until(|| ends.count(DeliveryOutcome::Executed) == GROUPS + 2).await;
    until(|| ends.count(DeliveryOutcome::Busy) == 1).await;
    go_on.notify_one();
    tokio::time::timeout(secs(60), elsewhere.until_settled(1)).await.unwrap();
    running.stop().await.unwrap();
    running_elsewhere.stop().await.unwrap();
    assert_eq!(effects(&shop.pool).await, once(["1", "2", "3"]));
}
