//! Calls in their callers' transactions, in a file of `SQLite`.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use idempotent_core::backends::SqliteStore;
use idempotent_core::{Error, Idempotency, Operation};
use idempotent_tests::{secs, until_within};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{SqliteConnection, SqlitePool};
use tempfile::TempDir;

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("charge");

struct Shop {
    _folder: TempDir,
    engine: Idempotency,
    pool: SqlitePool,
}

/// What a body does.
#[derive(Clone, Copy)]
enum Body {
    Pays,
    Fails,
    Hangs,
    Panics,
}

#[derive(Debug)]
struct ShopError;

impl From<Error> for ShopError {
    fn from(_: Error) -> Self {
        Self
    }
}

impl Shop {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("calls.db");
        let store = SqliteStore::builder(&file).connect().await.unwrap();
        let options = SqliteConnectOptions::new().filename(&file);
        let options = options.busy_timeout(Duration::from_secs(30));
        let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { _folder: folder, engine: Idempotency::new(store), pool }
    }

    async fn charge(
        &self,
        tx: &mut SqliteConnection,
        key: &str,
        body: Body,
    ) -> Result<(), ShopError> {
        let call = CHARGE.key(key).engine(&self.engine).returning::<Result<(), ShopError>>();
        call.run_in(tx, async |tx| {
            tracing::info!("in the body");
            sqlx::query("SELECT 1").execute(&mut *tx).await.map_err(|_| ShopError)?;
            tracing::info!("still in the body");
            match body {
                Body::Pays => Ok(()),
                Body::Fails => Err(ShopError),
                Body::Hangs => std::future::pending().await,
                Body::Panics => std::panic::resume_unwind(Box::new("a body that panics")),
            }
        })
        .await
    }
}

#[tokio::test]
async fn a_body_runs_within_its_calls_span_which_says_what_a_commit_keeps() {
    for (body, end) in [(Body::Pays, "executed kept"), (Body::Fails, "executed released")] {
        let shop = Shop::open().await;
        let captured = Captured::start();
        let mut tx = shop.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let _ = shop.charge(&mut tx, "k", body).await;
        assert_eq!(captured.end_soon().await, end);
        captured.assert_body_is_inside();
        assert_eq!(captured.log().events("in the body").len(), 2);
    }
}

#[tokio::test]
async fn a_replay_and_a_refusal_leave_the_key_as_it_is() {
    let shop = Shop::open().await;
    let captured = Captured::start();
    let mut tx = shop.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    shop.charge(&mut tx, "k", Body::Pays).await.unwrap();
    shop.charge(&mut tx, "k", Body::Pays).await.unwrap();
    shop.charge(&mut tx, "", Body::Pays).await.unwrap_err();
    assert_eq!(captured.ends(), ["executed kept", "replayed none", "invalid_key none"]);
    until_within(secs(20), async || captured.log().calls().iter().all(|call| call.closed)).await;
}

#[tokio::test]
async fn a_body_that_is_dropped_or_panics_leaves_nothing() {
    let shop = Shop::open().await;
    let captured = Captured::start();
    let mut tx = shop.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let hanging = shop.charge(&mut tx, "k", Body::Hangs);
    tokio::time::timeout(Duration::from_secs(1), hanging).await.unwrap_err();
    assert_eq!(captured.end_soon().await, "dropped released");
    drop(tx);
    let captured = Captured::start();
    let mut tx = shop.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let panicking = AssertUnwindSafe(shop.charge(&mut tx, "k", Body::Panics)).catch_unwind();
    panicking.await.unwrap_err();
    assert_eq!(captured.end_soon().await, "panicked released");
    captured.assert_body_is_inside();
}
