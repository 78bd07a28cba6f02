//! Stores that wait for longer than a busy machine stalls, for tests of something else.

use std::time::Duration;

use idempotent_core::backends::{
    PostgresSource, PostgresStore, RedisSource, RedisStore, SqliteSource, SqliteStore,
};

const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn redis(source: impl Into<RedisSource>) -> RedisStore {
    RedisStore::builder(source).response_timeout(PATIENCE).connect().await.unwrap()
}

pub(crate) async fn postgres(source: impl Into<PostgresSource>) -> PostgresStore {
    PostgresStore::builder(source).response_timeout(PATIENCE).connect().await.unwrap()
}

pub(crate) async fn sqlite(source: impl Into<SqliteSource>) -> SqliteStore {
    SqliteStore::builder(source).response_timeout(PATIENCE).connect().await.unwrap()
}
