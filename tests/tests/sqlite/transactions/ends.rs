//! How a call within a transaction ends: with it, or not at all.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use idempotent_core::backends::NearCache;
use idempotent_core::store::Scan;
use idempotent_core::{Disposition, ErrorKind, Idempotency, step};
use idempotent_tests::Fail;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::shop::{CHARGE, Shop, ShopError, effect};
use crate::database::Database;
use crate::worker::{Said, Work, Worker, call, order};

#[tokio::test]
async fn record_effect_and_result_are_seen_at_the_commit_and_not_before() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    assert_eq!(shop.charge(&mut tx, "k").await.unwrap(), 1);
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
    assert_eq!(shop.charge(&mut tx, "k").await.unwrap(), 1, "its own transaction replays it");
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (1, 1));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 1);
    assert_eq!(shop.effects().await, 1);
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    assert_eq!(call.run(|| async { Ok(7) }).await.unwrap(), 1, "and so does a call without one");
}

#[tokio::test]
async fn a_caller_that_rolls_back_takes_record_and_effect_along() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, "k").await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 1);
}

/// A body that has an effect and fails.
async fn decline(shop: &Shop, tx: &mut SqliteConnection) -> Result<i64, ShopError> {
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    call.run_in(tx, async |tx| {
        effect(tx, "k").await?;
        Err(ShopError::Declined)
    })
    .await
}

#[tokio::test]
async fn an_err_undoes_the_bodys_effects_and_leaves_the_transaction_usable() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    effect(&mut tx, "before").await.unwrap();
    let declined = decline(&shop, &mut tx).await;
    assert!(matches!(declined, Err(ShopError::Declined)), "{declined:?}");
    effect(&mut tx, "after").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (2, 0));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 3);
}

/// A body that has an effect and ends like this, in a transaction that is committed.
async fn charge_as(
    shop: &Shop,
    rule: fn(&Result<i64, Fail>) -> Disposition,
    end: Result<i64, Fail>,
) -> Result<i64, Fail> {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, Fail>>().memoize(rule);
    let ended = call.run_in(&mut *tx, async |tx| {
        effect(tx, "k").await.unwrap();
        end
    });
    let ended = ended.await;
    tx.commit().await.unwrap();
    ended
}

#[tokio::test]
async fn an_err_that_the_call_keeps_is_recorded_and_its_effects_are_undone() {
    let shop = Shop::open().await;
    let declined = charge_as(&shop, |_| Disposition::Keep, Err(Fail::Declined)).await;
    assert_eq!(declined, Err(Fail::Declined));
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 1));
    let replayed = charge_as(&shop, |_| Disposition::Keep, Ok(7)).await;
    assert_eq!(replayed, Err(Fail::Declined));
}

#[tokio::test]
async fn a_result_that_is_released_leaves_its_effects_and_no_record() {
    let shop = Shop::open().await;
    assert_eq!(charge_as(&shop, |_| Disposition::Release, Ok(7)).await, Ok(7));
    assert_eq!((shop.effects().await, shop.database.rows().await), (1, 0));
}

/// Runs a body that never ends, until it waits for ever, and drops it.
async fn dropped_half_way(shop: &Shop, tx: &mut SqliteConnection) {
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let (begun, mut has_begun) = tokio::sync::mpsc::channel(1);
    let run = call.run_in(tx, async |tx| {
        effect(tx, "k").await?;
        begun.send(()).await.unwrap();
        std::future::pending().await
    });
    tokio::select! {
        _ = run => panic!("it does not end"),
        _ = has_begun.recv() => {}
    }
}

#[tokio::test]
async fn a_call_that_was_dropped_half_way_cannot_be_committed() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    dropped_half_way(&shop, &mut tx).await;
    let refused = tx.commit().await.unwrap_err();
    assert!(refused.to_string().contains("FOREIGN KEY"), "{refused}");
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 1);
}

#[tokio::test]
async fn a_dropped_call_may_be_undone_by_a_savepoint_of_the_callers() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    let mut savepoint = tx.begin().await.unwrap();
    dropped_half_way(&shop, &mut savepoint).await;
    savepoint.rollback().await.unwrap();
    effect(&mut tx, "after").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (1, 0));
}

#[tokio::test]
async fn a_call_dropped_at_any_moment_takes_effect_whole_or_not_at_all() {
    let shop = Shop::open().await;
    let mut effects = 0;
    for polls in 1..200 {
        let key = format!("key {polls}");
        let mut tx = shop.begin().await;
        let mut ended = false;
        {
            let mut charge = pin!(shop.charge(&mut tx, &key));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if let Poll::Ready(done) = charge.as_mut().poll(&mut context) {
                    ended = done.is_ok();
                    break;
                }
                tokio::time::sleep(Duration::from_micros(200)).await;
            }
        }
        let committed = tx.commit().await.is_ok();
        effects += i64::from(ended && committed);
        let of_key = format!("SELECT count(*) FROM effects WHERE key = '{key}'");
        let (effect, rows) = (shop.database.number(&of_key).await, shop.database.rows().await);
        assert_eq!(rows, shop.effects().await, "after {polls} polls");
        assert!(effect == 1 || !ended || !committed, "after {polls} polls");
        if ended {
            break;
        }
    }
    assert!(effects == 1, "it never ended");
}

#[tokio::test]
async fn a_body_that_ends_the_transaction_itself_fails() {
    let shop = Shop::open().await;
    for ends in ["ROLLBACK", "COMMIT"] {
        let mut connection = shop.pool.acquire().await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
        let ended = call.run_in(&mut *connection, async |tx| {
            effect(tx, "k").await?;
            let ended = tx.execute(ends).await;
            assert_eq!(ended.is_ok(), ends == "ROLLBACK", "what is unfinished is not committed");
            Ok(1)
        });
        match ended.await {
            Err(error) => assert_eq!((ends, error.kind()), ("ROLLBACK", ErrorKind::Store)),
            Ok(_) => assert_eq!(ends, "COMMIT", "the transaction is still there"),
        }
        connection.execute("ROLLBACK").await.ok();
        assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
    }
}

#[tokio::test]
async fn a_connection_without_a_transaction_is_refused_and_nothing_is_left() {
    let shop = Shop::open().await;
    let mut connection = shop.pool.acquire().await.unwrap();
    let refused = shop.charge(&mut connection, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

#[tokio::test]
async fn a_connection_that_would_commit_an_unfinished_call_is_refused_and_replays_all_the_same() {
    let shop = Shop::open().await;
    shop.charge_and_commit("done").await.unwrap();
    let pool = shop.database.pool(1, shop.database.options().foreign_keys(false));
    let mut tx = pool.begin().await.unwrap();
    let refused = shop.charge(&mut tx, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let ShopError::Refused(error) = refused else { panic!() };
    assert!(format!("{error:?} {error}").contains("foreign keys"), "{error}");
    assert_eq!(shop.charge(&mut tx, "done").await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (1, 1));
}

#[tokio::test]
async fn calls_within_calls_are_one_transaction_and_an_inner_err_undoes_only_itself() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    let outer = CHARGE.key("outer").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let done = outer.run_in(&mut *tx, async |tx| {
        effect(tx, "outer").await?;
        let declined = decline(&shop, tx).await;
        assert!(matches!(declined, Err(ShopError::Declined)), "{declined:?}");
        let again = shop.charge(tx, "outer").await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::InProgress, "it calls itself");
        shop.charge(tx, "inner").await
    });
    assert_eq!(done.await.unwrap(), 2);
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (2, 2));
}

#[tokio::test]
async fn a_process_that_is_killed_half_way_leaves_neither_record_nor_effect() {
    let shop = Shop::open().await;
    let mut worker = Worker::start(&shop.database.file(), 1, Work::HoldWithin { key: 7 });
    assert_eq!(worker.says().await, Some(Said::Ran(7)));
    worker.kill();
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
    assert_eq!(call(&shop.engine, order(false), 7, "again").await.unwrap(), "again");
}

#[tokio::test]
async fn a_cache_in_front_of_the_store_knows_where_its_records_are() {
    let mut shop = Shop::open().await;
    shop.engine = Idempotency::new(NearCache::new(shop.database.store().await));
    for _ in 0..2 {
        assert_eq!(shop.charge_and_commit("k").await.unwrap(), 1);
    }
    let unfinished = shop.engine.scan(&Scan::unfinished()).await.unwrap();
    assert!(unfinished.entries.is_empty());
}

#[tokio::test]
async fn a_transaction_of_another_file_is_refused_and_the_store_is_not_blamed() {
    let (shop, other) = (Shop::open().await, Database::new());
    let pool = other.pool(1, other.options().create_if_missing(true));
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let refused = shop.charge(&mut tx, "k").await.unwrap_err();
    let ShopError::Refused(error) = &refused else { panic!("{refused:?}") };
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Misconfigured, false));
    let text = error.to_string();
    assert!(text.contains("is it a transaction of the store's database?"), "{text}");
    assert!(!text.contains("unavailable") && !text.contains("sqlite at"), "{text}");
    tx.commit().await.unwrap();
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 1);
}

/// A step would be written beside the transaction, which has the file to itself: it would wait for its own call.
#[tokio::test]
async fn a_step_within_a_transaction_is_refused_by_name_and_waits_for_nothing() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let refused = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        step("note", || async { Ok::<i64, ShopError>(7) }).await
    });
    let ShopError::Refused(refused) = refused.await.unwrap_err() else { panic!("no refusal") };
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let said = refused.to_string();
    assert!(said.contains("step `note`") && said.contains("caller's transaction"), "{said}");
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}
