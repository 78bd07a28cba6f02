//! Duplicates of a call whose transaction has not ended.

use std::time::{Duration, Instant};

use futures::future::join_all;
use idempotent_core::backends::{RetryTransaction, is_conflict};
use idempotent_core::{ErrorKind, Operation};

use crate::setup::{CHARGE, Level, Shop, ShopError, effect, execute};

const PATIENT: Operation = CHARGE.wait(Duration::from_secs(30));

scenarios! {
    all:
    a_duplicate_of_a_running_call_is_refused_at_once,
    a_duplicate_that_waits_in_vain_gives_up_in_time,
    a_duplicate_that_waits_runs_when_the_first_rolls_back,
    settings_are_as_they_were_after_a_wait,
    of_many_at_once_one_takes_effect,
}

scenarios! { read_committed: a_duplicate_that_waits_replays }

scenarios! { snapshots: a_duplicate_that_waits_has_to_run_its_transaction_again }

async fn a_duplicate_of_a_running_call_is_refused_at_once(shop: Shop) {
    let mut first = shop.begin().await;
    shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let mut second = shop.begin().await;
    let refused = shop.charge(&mut second, CHARGE, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert!(refused.refusal().is_retryable());
    // Its transaction goes on.
    effect(&mut second, "other").await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.runs().await), (2, 2));
}

async fn a_duplicate_that_waits_in_vain_gives_up_in_time(shop: Shop) {
    let mut first = shop.begin().await;
    shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let mut second = shop.begin().await;
    let began = Instant::now();
    let waiting = CHARGE.wait(Duration::from_millis(300));
    let refused = shop.charge(&mut second, waiting, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    effect(&mut second, "other").await.unwrap();
    second.commit().await.unwrap();
    first.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.runs().await), (2, 2));
}

/// A duplicate in a transaction of its own, which waits when this returns.
async fn waiting(shop: &Shop) -> tokio::task::JoinHandle<Result<i64, ShopError>> {
    let duplicate = shop.clone();
    let task = tokio::spawn(async move {
        let mut tx = duplicate.begin().await;
        let run = duplicate.charge(&mut tx, PATIENT, "k").await?;
        tx.commit().await?;
        Ok(run)
    });
    shop.until_waiting(1).await;
    task
}

async fn a_duplicate_that_waits_replays(shop: Shop) {
    let mut first = shop.begin().await;
    let run = shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let second = waiting(&shop).await;
    first.commit().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), run);
    assert_eq!((shop.effects().await, shop.runs().await), (1, 1));
}

async fn a_duplicate_that_waits_has_to_run_its_transaction_again(shop: Shop) {
    let mut first = shop.begin().await;
    let run = shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let second = waiting(&shop).await;
    first.commit().await.unwrap();
    let failed = second.await.unwrap().unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Store);
    assert!(failed.refusal().is_retryable());
    assert_eq!(failed.refusal().retry_after(), Some(Duration::ZERO));
    assert!(is_conflict(&failed), "{failed:?}");
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), run);
    assert_eq!((shop.effects().await, shop.runs().await), (1, 1));
}

async fn a_duplicate_that_waits_runs_when_the_first_rolls_back(shop: Shop) {
    let mut first = shop.begin().await;
    shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let second = waiting(&shop).await;
    first.rollback().await.unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 2);
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}

async fn settings_are_as_they_were_after_a_wait(shop: Shop) {
    let mut first = shop.begin().await;
    shop.charge(&mut first, CHARGE, "k").await.unwrap();
    let mut second = shop.begin().await;
    execute(&mut second, "SET LOCAL lock_timeout = '12345ms'").await.unwrap();
    let brief = CHARGE.wait(Duration::from_millis(20));
    shop.charge(&mut second, brief, "k").await.unwrap_err();
    assert_eq!(lock_timeout(&mut second).await, "12345ms", "after a wait in vain");
    let (waiter, ended) = tokio::join!(shop.charge(&mut second, PATIENT, "k"), async {
        shop.until_waiting(1).await;
        first.rollback().await
    });
    ended.unwrap();
    waiter.unwrap();
    assert_eq!(lock_timeout(&mut second).await, "12345ms", "after a wait that was worth it");
    second.commit().await.unwrap();
    let mut connection = shop.pool.acquire().await.unwrap();
    assert_eq!(lock_timeout(&mut connection).await, "0", "after the transaction");
}

async fn lock_timeout(connection: &mut sqlx::PgConnection) -> String {
    sqlx::query_scalar("SHOW lock_timeout").fetch_one(connection).await.unwrap()
}

async fn of_many_at_once_one_takes_effect(shop: Shop) {
    let retry = match shop.level {
        Level::ReadCommitted => RetryTransaction::new().read_committed(),
        Level::RepeatableRead => RetryTransaction::new().repeatable_read(),
        Level::Serializable => RetryTransaction::new().serializable(),
    };
    let callers = (0..16).map(|_| {
        let shop = shop.clone();
        tokio::spawn(async move {
            retry
                .run(&shop.pool, async |mut tx| {
                    let charged = shop.charge(&mut tx, PATIENT, "k").await;
                    (tx, charged)
                })
                .await
        })
    });
    let answers: Vec<i64> =
        join_all(callers).await.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}
