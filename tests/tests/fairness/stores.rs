//! The trial on each store.

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_core::backends::{MemoryStore, PostgresStore, RedisStore, SqliteStore};
use idempotent_servers::{Postgres, Redis, Server, require};
use tempfile::TempDir;

use crate::trial;

/// Loaded machines are slow.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_tenant_hurts_nobody_in_memory() {
    // Its large results alone are more than that.
    let store = MemoryStore::builder().capacity_bytes(16 * 1024 * 1024).build();
    trial::run("memory", Idempotency::builder(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_tenant_hurts_nobody_in_sqlite() {
    let folder = TempDir::new().unwrap();
    let builder = SqliteStore::builder(folder.path().join("calls.db"));
    let store = builder.response_timeout(PATIENCE).connect().await.unwrap();
    trial::run("sqlite", Idempotency::builder(store.clone())).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_tenant_hurts_nobody_in_postgres() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let builder = PostgresStore::builder(server.url());
    let store = builder.response_timeout(PATIENCE).connect().await.unwrap();
    trial::run("postgres", Idempotency::builder(store.clone())).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_tenant_hurts_nobody_in_redis() {
    require!(Server::Redis);
    // What the hostile tenant sends would fill it many times.
    let server = Redis::builder().arg("--maxmemory", "64mb").start().await;
    let builder = RedisStore::builder(server.url());
    let store = builder.response_timeout(PATIENCE).connect().await.unwrap();
    trial::run("redis", Idempotency::builder(store)).await;
}
