//! The text of a record's id: what a span, an error and a log line show finds the record in its store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::backends::{PostgresStore, RedisStore, SqliteStore};
use idempotent_core::call::BeginOutcome;
use idempotent_core::{Error, Idempotency, Operation, Store};
use idempotent_servers::{Postgres, Redis, Reply, Server, require};
use idempotent_tests::secs;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tempfile::TempDir;

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("shop::charge");

/// The id of a record, as the span of its call, the refusal of a duplicate and the record itself show it.
async fn shown(store: impl Store) -> String {
    let captured = Captured::start();
    let engine = Idempotency::new(store);
    let call = || CHARGE.key("order 7").engine(&engine).returning::<Result<u8, Error>>();
    let BeginOutcome::Reserved(owner) = call().begin().await.unwrap() else { panic!("replayed") };
    let refused = call().begin().await.unwrap_err();
    let text = owner.record_id().unwrap().to_string();
    owner.complete(&Ok(7)).await;
    assert_eq!(captured.log().calls()[0].field("record"), text);
    assert!(refused.to_string().ends_with(&format!("({text})")), "{refused}");
    let found = engine.inspect(&text.parse().unwrap()).await.unwrap();
    assert_eq!(found.expect("its text leads back to it").id().to_string(), text);
    text
}

#[tokio::test]
async fn it_is_the_end_of_the_key_in_redis_in_base64() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let id = shown(
        RedisStore::builder(server.url())
            .connect_with_retry(std::time::Duration::from_secs(20))
            .await
            .unwrap(),
    )
    .await;
    let (operation, hash) = id.rsplit_once(':').unwrap();
    let digits = (0..64).step_by(2).map(|at| u8::from_str_radix(&hash[at..at + 2], 16).unwrap());
    let key = format!("idem:{operation}:{}", URL_SAFE_NO_PAD.encode(digits.collect::<Vec<_>>()));
    assert_eq!(server.cli(&["EXISTS", &key]).await, Reply::Int(1), "{key}");
}

#[tokio::test]
async fn it_is_the_operation_and_the_id_of_the_row_in_postgres() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = PostgresStore::builder(server.url()).response_timeout(secs(10));
    let id = shown(store.connect().await.unwrap()).await;
    let (operation, hash) = id.rsplit_once(':').unwrap();
    let query = format!(
        "SELECT count(*) FROM idempotent.records WHERE id = '\\x{hash}' AND operation = '{operation}'"
    );
    assert_eq!(server.sql(&query).await[0][0].as_deref(), Some("1"), "{id}");
}

#[tokio::test]
async fn it_is_the_operation_and_the_id_of_the_row_in_sqlite() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    let id = shown(SqliteStore::builder(&file).connect().await.unwrap()).await;
    let (operation, hash) = id.rsplit_once(':').unwrap();
    let query = format!(
        "SELECT count(*) FROM idempotent_records WHERE id = x'{hash}' AND operation = '{operation}'"
    );
    let pool =
        SqlitePoolOptions::new().connect_lazy_with(SqliteConnectOptions::new().filename(file));
    let found: i64 = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&pool).await.unwrap();
    assert_eq!(found, 1, "{id}");
}
