//! Transactions that meet: deadlocks, serialization failures, and running them again.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::{RetryTransaction, is_conflict, retry_transaction};
use idempotent_core::{ErrorKind, Operation};
use sqlx::PgConnection;

use crate::setup::{CHARGE, Level, Shop, ShopError, effect, execute};

const PATIENT: Operation = CHARGE.wait(Duration::from_secs(30));

scenarios! {
    all:
    two_keys_in_opposite_order_are_an_error_to_retry,
    a_retried_transaction_loses_no_effect,
    a_retry_ends_after_its_attempts,
    an_error_that_is_no_conflict_is_not_retried,
    what_a_body_gives_as_err_is_rolled_back,
}

scenarios! { snapshots: a_serialization_failure_in_a_body_is_an_error_to_retry }

fn retry(shop: &Shop) -> RetryTransaction {
    let retry =
        RetryTransaction::new().backoff(Duration::from_millis(1), Duration::from_millis(20));
    match shop.level {
        Level::ReadCommitted => retry.read_committed(),
        Level::RepeatableRead => retry.repeatable_read(),
        Level::Serializable => retry.serializable(),
    }
}

async fn two_keys_in_opposite_order_are_an_error_to_retry(shop: Shop) {
    let (mut one, mut two) = (shop.begin().await, shop.begin().await);
    shop.charge(&mut one, CHARGE, "a").await.unwrap();
    shop.charge(&mut two, CHARGE, "b").await.unwrap();
    let first = async {
        let charged = shop.charge(&mut one, PATIENT, "b").await;
        charged.is_err().then(|| drop(one));
        charged
    };
    let second = async {
        let charged = shop.charge(&mut two, PATIENT, "a").await;
        charged.is_err().then(|| drop(two));
        charged
    };
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let refused = first.and(second).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert!(refused.refusal().is_retryable());
    assert!(is_conflict(&refused), "{refused:?}");
}

/// Reads, and writes what it read and one more.
async fn count(tx: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let read = "SELECT value FROM counters WHERE id = 1 FOR UPDATE";
    let value: i64 = sqlx::query_scalar(read).fetch_one(&mut *tx).await?;
    sqlx::query("UPDATE counters SET value = $1").bind(value + 1).execute(tx).await?;
    Ok(value + 1)
}

async fn a_serialization_failure_in_a_body_is_an_error_to_retry(shop: Shop) {
    let call =
        |key: &str| CHARGE.key(key).engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let (mut one, mut two) = (shop.begin().await, shop.begin().await);
    execute(&mut two, "SELECT value FROM counters").await.unwrap();
    call("a").run_in(&mut one, async |tx| Ok(count(tx).await?)).await.unwrap();
    one.commit().await.unwrap();
    let failed = call("b").run_in(&mut two, async |tx| Ok(count(tx).await?)).await.unwrap_err();
    assert!(is_conflict(&failed), "{failed:?}");
    two.rollback().await.unwrap();
    assert_eq!(shop.records().await, 1);
}

async fn a_retried_transaction_loses_no_effect(shop: Shop) {
    let callers = (0..32).map(|n| {
        let shop = shop.clone();
        tokio::spawn(async move {
            let key = (n / 2).to_string();
            let retry = retry(&shop).attempts(500);
            retry
                .run(&shop.pool, async |mut tx| {
                    let call = PATIENT.key(&key).engine(&shop.engine);
                    let call = call.returning::<Result<i64, ShopError>>();
                    let counted = call.in_transaction(&mut tx).run(async |tx| {
                        let counted = count(tx).await.map_err(ShopError::from);
                        (tx, counted)
                    });
                    let counted = counted.await;
                    (tx, counted)
                })
                .await
        })
    });
    let answers: Vec<i64> =
        join_all(callers).await.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
    assert!(answers.chunks(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(shop.number("SELECT value FROM counters").await, 16);
    assert_eq!(shop.records().await, 16);
}

const CONFLICT: &str =
    "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = 'serialization_failure'; END $$";

async fn a_retry_ends_after_its_attempts(shop: Shop) {
    let ended = retry(&shop).attempts(3).run(&shop.pool, async |mut tx| {
        effect(&mut tx, "k").await.unwrap();
        let conflict = execute(&mut tx, CONFLICT).await;
        (tx, conflict)
    });
    assert!(is_conflict(&ended.await.unwrap_err()));
    assert_eq!((shop.runs().await, shop.effects().await), (3, 0));
}

async fn an_error_that_is_no_conflict_is_not_retried(shop: Shop) {
    let ended = retry_transaction(&shop.pool, async |mut tx| {
        effect(&mut tx, "k").await.unwrap();
        let failed = execute(&mut tx, "SELECT 1 / 0").await;
        (tx, failed)
    });
    assert!(matches!(ended.await, Err(sqlx::Error::Database(_))));
    assert_eq!((shop.runs().await, shop.effects().await), (1, 0));
}

async fn what_a_body_gives_as_err_is_rolled_back(shop: Shop) {
    let ended = retry(&shop).run(&shop.pool, async |mut tx| {
        shop.charge(&mut tx, CHARGE, "k").await.unwrap();
        (tx, Err::<(), _>(ShopError::Declined))
    });
    assert!(matches!(ended.await, Err(ShopError::Declined)));
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}
