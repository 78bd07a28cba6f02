//! Transactions that `SQLite`, or sqlx, ends while a body runs: nothing of them is kept, and nothing after.

use std::error::Error as _;
use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_core::{Error, ErrorKind};
use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::shop::{CHARGE, Shop, ShopError, effect};

/// More than there is room for.
const LARGE: usize = 1_000_000;

/// Connections for which the file has no room for more than a few pages.
async fn full_soon(shop: &Shop, connections: u32) -> SqlitePool {
    let pages = shop.database.number("PRAGMA page_count").await + 8;
    let options = shop.database.options().pragma("max_page_count", pages.to_string());
    shop.database.pool(connections, options)
}

async fn begin(pool: &SqlitePool) -> Transaction<'static, Sqlite> {
    pool.begin_with("BEGIN IMMEDIATE").await.unwrap()
}

/// A statement that fills the disk, so that `SQLite` rolls everything back.
async fn fill(tx: &mut SqliteConnection) {
    let large = sqlx::query("INSERT INTO effects VALUES (hex(zeroblob(?1)))").bind(LARGE as i64);
    let error = large.execute(&mut *tx).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("13"), "{error}");
}

fn assert_rolled_back(refused: &ShopError) {
    let ShopError::Refused(error) = refused else { panic!("{refused:?}") };
    assert_eq!(
        (error.kind(), kind_of_cause(error)),
        (ErrorKind::Store, StoreErrorKind::RolledBack)
    );
    assert!(error.is_retryable(), "the disk may have room by then");
}

fn kind_of_cause(error: &Error) -> StoreErrorKind {
    error.source().unwrap().downcast_ref::<StoreError>().unwrap().kind()
}

#[tokio::test]
async fn a_body_that_goes_on_after_the_disk_was_full_commits_nothing_and_its_call_fails() {
    let shop = Shop::open().await;
    let pool = full_soon(&shop, 1).await;
    let mut tx = begin(&pool).await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let ended = call.run_in(&mut *tx, async |tx| {
        effect(tx, "before").await?;
        fill(tx).await;
        for _ in 0..2 {
            effect(tx, "after").await.unwrap_err();
        }
        Ok(1)
    });
    assert_rolled_back(&ended.await.unwrap_err());
    tx.commit().await.unwrap_err();
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

#[tokio::test]
async fn a_body_that_fails_because_the_disk_was_full_says_that_its_transaction_is_gone() {
    let shop = Shop::open().await;
    let pool = full_soon(&shop, 1).await;
    let mut tx = begin(&pool).await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let ended = call.run_in(&mut *tx, async |tx| {
        fill(tx).await;
        Err(ShopError::Declined)
    });
    assert_rolled_back(&ended.await.unwrap_err());
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

#[tokio::test]
async fn a_call_in_a_transaction_that_has_ended_already_is_refused_and_runs_nothing() {
    let shop = Shop::open().await;
    let pool = full_soon(&shop, 1).await;
    let mut tx = begin(&pool).await;
    fill(&mut tx).await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let refused = call.run_in(&mut *tx, async |_| panic!("it runs")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(tx.commit().await.is_err());
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

#[tokio::test]
async fn a_call_within_a_call_that_fills_the_disk_lets_neither_commit() {
    let shop = Shop::open().await;
    let pool = full_soon(&shop, 1).await;
    let mut tx = begin(&pool).await;
    let outer = CHARGE.key("outer").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let ended = outer.run_in(&mut *tx, async |tx| {
        effect(tx, "outer").await?;
        let inner = CHARGE.key("inner").engine(&shop.engine).returning::<Result<i64, ShopError>>();
        let inner = inner.run_in(&mut *tx, async |tx| {
            fill(tx).await;
            Ok(1)
        });
        assert_rolled_back(&inner.await.unwrap_err());
        effect(tx, "after").await.unwrap_err();
        Ok(1)
    });
    assert_rolled_back(&ended.await.unwrap_err());
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

/// Drops the future of a nested `begin` half way: sqlx rolls the transaction around it back, too.
async fn drop_a_begin(tx: &mut Transaction<'_, Sqlite>) {
    loop {
        let mut begin = pin!(tx.begin());
        // One that was answered at once is rolled back as it should be, and says nothing.
        if begin.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            std::thread::sleep(Duration::from_millis(50));
            return;
        }
    }
}

#[tokio::test]
async fn a_body_that_drops_a_nested_begin_half_way_commits_nothing_and_its_call_fails() {
    let shop = Shop::open().await;
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let ended = call.run_in(&mut tx, async |tx| {
        effect(tx, "before").await?;
        drop_a_begin(tx).await;
        effect(tx, "after").await.unwrap_err();
        Ok(1)
    });
    assert_rolled_back(&ended.await.unwrap_err());
    let _ = tx.commit().await;
    assert_eq!((shop.effects().await, shop.database.rows().await), (0, 0));
}

#[tokio::test]
async fn a_connection_commits_again_once_its_call_has_ended_or_was_dropped() {
    let shop = Shop::open().await;
    let pool = shop.database.pool(1, shop.database.options());
    for key in ["first", "second"] {
        let mut tx = begin(&pool).await;
        shop.charge(&mut tx, key).await.unwrap();
        effect(&mut tx, "beside").await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = begin(&pool).await;
        let call = CHARGE.key("dropped").engine(&shop.engine).returning::<Result<i64, ShopError>>();
        let dropped = call.run_in(&mut *tx, async |_| std::future::pending().await);
        tokio::time::timeout(Duration::from_millis(200), dropped).await.unwrap_err();
        tx.rollback().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        effect(&mut connection, "on its own").await.unwrap();
    }
    assert_eq!((shop.effects().await, shop.database.rows().await), (6, 2));
}
