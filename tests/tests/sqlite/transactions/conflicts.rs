//! Transactions that meet others.

use std::error::Error as _;

use idempotent_core::ErrorKind;
use idempotent_core::backends::is_conflict;
use idempotent_tests::secs;
use tokio::task::JoinSet;

use super::shop::{CHARGE, Shop, ShopError, effect};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_transactions_with_a_key_one_takes_effect_and_all_have_its_result() {
    let shop = std::sync::Arc::new(Shop::open().await);
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let shop = std::sync::Arc::clone(&shop);
        tasks.spawn(async move {
            let mut answers = Vec::new();
            for step in 0..20 {
                let key = (step + task * 3) % 20;
                answers.push((key, shop.charge_and_commit(&key.to_string()).await.unwrap()));
            }
            answers.sort_unstable();
            answers
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(shop.effects().await, 20);
    assert!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_transaction_that_read_before_another_wrote_is_to_be_run_again() {
    let shop = Shop::open().await;
    let mut late = shop.pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM effects").fetch_all(&mut *late).await.unwrap();
    shop.charge_and_commit("other").await.unwrap();
    let refused = shop.charge(&mut late, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert!(is_conflict(&refused), "{:?}", refused.source());
    late.rollback().await.unwrap();
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 2);
}

#[tokio::test]
async fn a_body_that_meets_another_transaction_before_its_call_did_is_one_to_run_again() {
    let shop = Shop::open().await;
    let mut late = shop.pool.begin().await.unwrap();
    sqlx::query("SELECT * FROM effects").fetch_all(&mut *late).await.unwrap();
    shop.charge_and_commit("other").await.unwrap();
    let ShopError::Database(own) = effect(&mut late, "k").await.unwrap_err() else { panic!() };
    assert!(is_conflict(&own) && is_conflict(&ShopError::Database(own)));
}

#[tokio::test]
async fn a_transaction_that_has_not_begun_to_read_waits_for_one_that_writes() {
    let shop = Shop::open().await;
    let mut first = shop.begin().await;
    shop.charge(&mut first, "k").await.unwrap();
    let second = async {
        let mut tx = shop.pool.begin().await.unwrap();
        let answer = shop.charge(&mut tx, "k").await.unwrap();
        tx.commit().await.unwrap();
        answer
    };
    let end = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        first.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(second, end).0, 1);
    assert_eq!(shop.effects().await, 1);
}

/// `wait` adds to what the connection itself waits for the lock.
#[tokio::test]
async fn a_duplicate_waits_as_long_as_its_operation_says_where_the_connection_does_not() {
    let shop = Shop::open().await;
    let impatient = shop.database.options().busy_timeout(std::time::Duration::ZERO);
    let impatient = shop.database.pool(1, impatient);
    let mut first = shop.begin().await;
    shop.charge(&mut first, "k").await.unwrap();
    let duplicate = async |wait: Option<std::time::Duration>| {
        let operation = wait.map_or(CHARGE, |wait| CHARGE.wait(wait));
        let call = operation.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
        let mut tx = impatient.begin().await.unwrap();
        let answer = call.run_in(&mut *tx, async |tx| effect(tx, "k").await).await?;
        tx.commit().await?;
        Ok::<_, ShopError>(answer)
    };
    let refused = duplicate(None).await.unwrap_err();
    assert!(is_conflict(&refused), "{:?}", refused.source());
    let end = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        first.commit().await.unwrap();
    };
    assert_eq!(tokio::join!(duplicate(Some(secs(20))), end).0.unwrap(), 1);
}
