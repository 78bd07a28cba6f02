//! What is refused before a body runs. The transaction is as it was.

use idempotent_core::backends::{MemoryStore, PostgresStore, SqliteStore};
use idempotent_core::{ErrorKind, Guarantee, Idempotency};
use idempotent_servers::{PostgresVersion, Server, require};

use crate::setup::{CHARGE, Level, Shop, ShopError, effect, execute};

scenarios! {
    all:
    another_payload_under_the_same_key_is_refused,
    another_version_is_refused_before_its_payload_is_compared,
    a_connection_without_a_transaction_is_refused,
    a_call_that_would_be_checked_before_it_ends_is_refused,
    a_store_whose_tables_are_not_there_is_an_error_that_says_so,
}

type Charged = Result<i64, ShopError>;

async fn another_payload_under_the_same_key_is_refused(shop: Shop) {
    let call = |amount: u32| {
        let call = CHARGE.key("k").fingerprint(&amount).engine(&shop.engine);
        call.returning::<Charged>()
    };
    let mut tx = shop.begin().await;
    let first = call(1).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = shop.begin().await;
    let refused = call(2).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::FingerprintMismatch);
    let again = call(1).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((again, shop.runs().await), (first, 1));
}

async fn another_version_is_refused_before_its_payload_is_compared(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.version(2).key("k").fingerprint(&1).engine(&shop.engine);
    call.returning::<Charged>().run_in(&mut tx, async |_| Ok(1)).await.unwrap();
    let call = CHARGE.version(1).key("k").fingerprint(&2).engine(&shop.engine);
    let refused = call.returning::<Charged>().run_in(&mut tx, async |_| Ok(2)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    tx.commit().await.unwrap();
}

async fn a_connection_without_a_transaction_is_refused(shop: Shop) {
    let mut connection = shop.pool.acquire().await.unwrap();
    let refused = shop.charge(&mut connection, CHARGE, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let text = refused.refusal().to_string();
    assert!(text.contains("no transaction has begun"), "{text}");
    // The server tells the error before it lets the lock go.
    sqlx::query("SELECT 1").execute(&mut *connection).await.unwrap();
    assert_eq!((shop.runs().await, shop.records().await), (0, 0));
    // What was recorded before needs no transaction to be told.
    let run = shop.charge_and_commit("k").await.unwrap();
    assert_eq!(shop.charge(&mut connection, CHARGE, "k").await.unwrap(), run);
}

async fn a_call_that_would_be_checked_before_it_ends_is_refused(shop: Shop) {
    let mut tx = shop.begin().await;
    execute(&mut tx, "SET CONSTRAINTS ALL IMMEDIATE").await.unwrap();
    let refused = shop.charge(&mut tx, CHARGE, "k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let text = refused.refusal().to_string();
    assert!(text.contains("leave idempotent_call_dropped_half_way deferred"), "{text}");
    tx.rollback().await.unwrap();
    assert_eq!((shop.runs().await, shop.records().await), (0, 0));
}

async fn a_store_whose_tables_are_not_there_is_an_error_that_says_so(shop: Shop) {
    let nowhere = format!("nowhere_{}", shop.schema);
    let store = PostgresStore::builder(shop.pool.clone()).schema(&nowhere);
    let store = store.response_timeout(std::time::Duration::from_secs(10));
    let engine = Idempotency::new(store.connect().await.unwrap());
    shop.server.sql(&format!("DROP SCHEMA {nowhere} CASCADE")).await;
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&engine).returning::<Charged>();
    let refused = call.run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap_err();
    let refused = refused.refusal();
    assert_eq!((refused.kind(), refused.is_retryable()), (ErrorKind::Misconfigured, false));
    let text = refused.to_string();
    assert!(text.contains("is it a transaction of the store's database?"), "{text}");
    assert!(text.contains("call `migrate()`"), "{text}");
    assert!(!text.contains("unavailable") && !text.contains("127.0.0.1"), "{text}");
}

#[tokio::test]
async fn an_engine_whose_store_is_in_no_database_is_refused() {
    require!(Server::Postgres);
    let shop = Shop::open(PostgresVersion::Distribution, Level::ReadCommitted).await;
    let engine = Idempotency::new(MemoryStore::new());
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&engine).returning::<Charged>();
    let refused = call.run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let text = refused.refusal().to_string();
    for part in ["`MemoryStore`", "`PostgresStore`", "`postgres`", "`SqliteStore`", "`sqlite`"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(shop.runs().await, 0);
}

#[tokio::test]
async fn an_engine_whose_store_is_in_another_database_is_refused() {
    require!(Server::Postgres);
    let shop = Shop::open(PostgresVersion::Distribution, Level::ReadCommitted).await;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::connect(folder.path().join("calls.db")).await.unwrap();
    let engine = Idempotency::new(store);
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&engine).returning::<Charged>();
    let refused = call.run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    let text = refused.refusal().to_string();
    assert!(text.contains("use the store of the feature `postgres`"), "{text}");
    assert_eq!(shop.runs().await, 0);
}

#[tokio::test]
async fn an_engine_that_fails_open_is_refused() {
    require!(Server::Postgres);
    let shop = Shop::open(PostgresVersion::Distribution, Level::ReadCommitted).await;
    let engine = Idempotency::builder(shop.store.clone()).fail_open().build();
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&engine).returning::<Charged>();
    let refused = call.run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert_eq!(shop.runs().await, 0);
}

#[tokio::test]
async fn a_promise_of_exactly_once_without_a_transaction_is_refused() {
    let engine = Idempotency::new(MemoryStore::new());
    let operation = CHARGE.guarantee(Guarantee::ExactlyOnce);
    let call = operation.key("k").engine(&engine).returning::<Charged>();
    let refused = call.run(async || Ok(1)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.refusal().to_string().contains("use `run_in`"), "{refused:?}");
}
