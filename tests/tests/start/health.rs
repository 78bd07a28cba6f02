//! `Idempotency::check`, against servers that serve, do not, or serve half.

use idempotent_core::backends::{
    MemoryStore, NearCache, PostgresStore, PostgresStoreBuilder, RedisStore, SqliteStore,
};
use idempotent_core::store::{Degradation, Scan, StoreErrorKind};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, Redis, Server, require};
use idempotent_tests::{Attempt, Runs, SOON, call, millis, until};

/// On a machine that may be slow.
fn patient(url: String) -> PostgresStoreBuilder {
    PostgresStore::builder(url).response_timeout(SOON)
}

#[tokio::test]
async fn a_redis_that_serves_is_named_and_has_no_new_key() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let engine = Idempotency::new(RedisStore::connect(server.url()).await.unwrap());
    let health = engine.check().await;
    assert!(health.is_serving() && health.degraded.is_empty(), "{health}");
    let at = format!("redis at {}, database 0", server.address());
    assert_eq!((health.server.as_deref(), health.asked.as_str()), (Some(at.as_str()), "SET … XX"));
    assert!(health.to_string().starts_with(&format!("serving: {at} answered ")), "{health}");
    assert_eq!(server.cli(&["DBSIZE"]).await, server.cli(&["EXISTS", "nothing"]).await);
}

#[tokio::test]
async fn a_redis_that_became_a_replica_does_not_serve() {
    require!(Server::Redis);
    let (server, primary) = (Redis::start().await, Redis::start().await);
    let engine = Idempotency::new(RedisStore::connect(server.url()).await.unwrap());
    let port = primary.port().to_string();
    server.cli(&["REPLICAOF", "127.0.0.1", &port]).await;
    let health = engine.check().await;
    let error = health.error.as_ref().unwrap().to_string();
    assert!(error.contains("the server accepts no writes"), "{error}");
    assert!(health.to_string().starts_with("not serving after "), "{health}");
}

#[tokio::test]
async fn a_redis_that_is_frozen_or_gone_does_not_serve_and_the_answer_comes_in_time() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::connect(server.url()).await.unwrap();
    let engine = Idempotency::builder(store).store_timeout(millis(200)).build();
    server.stop_process();
    let health = engine.check().await;
    assert_eq!(health.error.unwrap().kind(), StoreErrorKind::Timeout);
    assert!(health.took < SOON, "{:?}", health.took);
    server.resume();
    server.kill();
    let health = engine.check().await;
    assert!(!health.is_serving() && health.server.is_some());
}

#[tokio::test]
async fn a_postgres_serves_until_it_is_read_only_or_a_right_is_missing() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let engine = Idempotency::new(patient(server.url()).connect().await.unwrap());
    let health = engine.check().await;
    assert!(health.is_serving() && health.degraded.is_empty(), "{health}");
    assert_eq!(engine.scan(&Scan::all()).await.unwrap().entries.len(), 0);
    let standby = Postgres::builder().standby_of(&server).start().await;
    let reader = Idempotency::new(patient(standby.url()).connect().await.unwrap());
    let error = reader.check().await.error.unwrap().to_string();
    assert!(error.contains("accepts no writes"), "{error}");
    server.sql("ALTER TABLE idempotent.records RENAME TO elsewhere").await;
    let error = engine.check().await.error.unwrap().to_string();
    assert!(error.contains("the tables of the store are missing"), "{error}");
    server.kill();
    assert!(engine.check().await.error.unwrap().is_outage());
}

#[tokio::test]
async fn a_file_serves_until_it_can_only_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.db");
    let engine = Idempotency::new(SqliteStore::connect(&path).await.unwrap());
    let health = engine.check().await;
    assert!(health.is_serving(), "{health}");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).read_only(true);
    let reader = Idempotency::new(SqliteStore::connect(options).await.unwrap());
    let error = reader.check().await.error.unwrap().to_string();
    assert!(error.contains("the file can only be read"), "{error}");
}

#[tokio::test]
async fn a_postgres_whose_notifications_do_not_arrive_is_degraded() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let silent = patient(server.url()).notify(false).connect().await.unwrap();
    let health = Idempotency::new(NearCache::new(silent)).check().await;
    assert!(health.is_serving(), "{health}");
    assert_eq!(health.degraded, [Degradation::NearCacheDetached]);
    assert!(health.to_string().contains("near cache"), "{health}");
    let store = patient(server.url()).connect().await.unwrap();
    let engine = Idempotency::new(NearCache::new(store));
    until(async || engine.check().await.degraded.is_empty()).await;
}

#[tokio::test]
async fn a_redis_that_lets_nobody_subscribe_is_degraded() {
    require!(Server::Redis);
    let server = Redis::builder().user("mute", "on nopass ~* +@all resetchannels").start().await;
    let url = format!("redis://mute:x@{}", server.address());
    let store = RedisStore::connect(url).await.unwrap();
    Attempt::new().win(&store).await;
    let engine = Idempotency::new(store);
    until(async || engine.check().await.degraded == [Degradation::NoNotifications]).await;
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_degrades_and_the_store_is_asked_all_the_same() {
    let store = FaultyStore::new(MemoryStore::new());
    let store = store.on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).circuit_threshold(1).build();
    call(&engine, Operation::new("charge"), "k", &Runs::new()).await.unwrap_err();
    let health = engine.check().await;
    assert!(health.is_serving(), "{health}");
    assert_eq!(health.degraded, [Degradation::CircuitOpen]);
}
