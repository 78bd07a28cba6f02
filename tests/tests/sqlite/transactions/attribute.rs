//! The attribute on functions that take a transaction of `SQLite`.

use idempotent_core::{Idempotency, idempotent};
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::shop::{Shop, ShopError, effect};

#[idempotent(key = order, name = "shop::order", engine = engine, tx = tx, guarantee = exactly_once)]
async fn take(
    tx: &mut Transaction<'_, Sqlite>,
    engine: &Idempotency,
    order: &str,
) -> Result<i64, ShopError> {
    let shipped = ship(tx, engine, order).await?;
    effect(tx, order).await?;
    Ok(shipped)
}

#[idempotent(key = order, name = "shop::ship", engine = engine, tx = tx, guarantee = exactly_once)]
async fn ship(
    tx: &mut SqliteConnection,
    engine: &Idempotency,
    order: &str,
) -> Result<i64, ShopError> {
    effect(tx, order).await
}

#[tokio::test]
async fn functions_that_take_a_transaction_take_effect_once() {
    let shop = Shop::open().await;
    for _ in 0..2 {
        let mut tx = shop.begin().await;
        assert_eq!(take(&mut tx, &shop.engine, "7").await.unwrap(), 1);
        tx.commit().await.unwrap();
    }
    assert_eq!((shop.effects().await, shop.database.rows().await), (2, 2));
}

#[tokio::test]
async fn their_futures_can_be_spawned() {
    let shop = Shop::open().await;
    let (mut tx, engine) = (shop.begin().await, shop.engine.clone());
    let spawned = tokio::spawn(async move {
        let taken = take(&mut tx, &engine, "7").await;
        tx.commit().await.unwrap();
        taken
    });
    assert_eq!(spawned.await.unwrap().unwrap(), 1);
}
