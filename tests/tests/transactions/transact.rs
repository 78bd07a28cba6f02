//! Transactions that are lent to their bodies, committed and retried.

use std::sync::Arc;

use idempotent_core::backends::{NotCommitted, RetryTransaction, transact};
use idempotent_servers::{PostgresVersion, Server, require};
use sqlx::{Postgres, Transaction};
use tokio::sync::Mutex;

use crate::setup::{CHARGE, Level, Shop, ShopError, effect, execute};

async fn shop() -> Shop {
    Shop::open(PostgresVersion::Distribution, Level::ReadCommitted).await
}

/// As an annotated function takes it.
async fn charge(
    shop: &Shop,
    tx: &mut Transaction<'_, Postgres>,
    key: &str,
) -> Result<i64, ShopError> {
    shop.charge(tx, CHARGE, key).await
}

#[tokio::test]
async fn what_a_body_did_is_committed_without_handing_the_transaction_back() {
    require!(Server::Postgres);
    let shop = shop().await;
    for _ in 0..2 {
        let run = transact(&shop.pool, async |mut tx| charge(&shop, &mut tx, "k").await).await;
        assert_eq!(run.unwrap(), 1);
    }
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}

#[tokio::test]
async fn an_error_rolls_back() {
    require!(Server::Postgres);
    let shop = shop().await;
    let declined = transact(&shop.pool, async |mut tx| {
        charge(&shop, &mut tx, "k").await?;
        Err::<(), _>(ShopError::Declined)
    });
    assert!(matches!(declined.await, Err(ShopError::Declined)));
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

#[tokio::test]
async fn a_conflict_is_retried_with_a_new_transaction() {
    require!(Server::Postgres);
    let shop = shop().await;
    let mut attempts = 0;
    let retried = RetryTransaction::new().attempts(3).transact(&shop.pool, |mut tx| {
        attempts += 1;
        let is_last = attempts == 3;
        let shop = &shop;
        async move {
            let run = charge(shop, &mut tx, "k").await?;
            if !is_last {
                // As the database reports a conflict.
                execute(&mut tx, "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").await?;
            }
            Ok::<_, ShopError>(run)
        }
    });
    retried.await.unwrap();
    assert_eq!((attempts, shop.effects().await, shop.records().await), (3, 1, 1));
}

#[tokio::test]
async fn its_future_can_be_spawned_and_borrow() {
    require!(Server::Postgres);
    let shop = shop().await;
    let spawned = {
        let shop = shop.clone();
        tokio::spawn(async move {
            let key = String::from("k");
            transact(&shop.pool, async |mut tx| {
                effect(&mut tx, &key).await?;
                effect(&mut tx, &key).await
            })
            .await
        })
    };
    assert_eq!(spawned.await.unwrap().unwrap(), 2);
    assert_eq!(shop.effects().await, 2);
}

#[tokio::test]
async fn a_body_that_keeps_its_transaction_commits_nothing_and_is_told() {
    require!(Server::Postgres);
    let shop = shop().await;
    let kept = Arc::new(Mutex::new(None));
    let ended = transact(&shop.pool, async |mut tx| {
        effect(&mut tx, "k").await.unwrap();
        *kept.lock().await = Some(tx);
        Ok::<_, sqlx::Error>(())
    });
    let error = ended.await.unwrap_err();
    let why = error.as_database_error().and_then(|it| it.try_downcast_ref::<NotCommitted>());
    assert_eq!(why, Some(&NotCommitted::Kept), "{error}");
    drop(kept.lock().await.take());
    assert_eq!(shop.effects().await, 0);
}
