//! Stores that connect later than they are made: in the background, or after some retries.

use std::time::Duration;

use idempotent_core::backends::{NearCache, PostgresStore, RedisStore, SqliteStore};
use idempotent_core::store::{Store, StoreErrorKind};
use idempotent_servers::{Data, Postgres, Redis, Server, require};
use idempotent_tests::{Attempt, SOON, millis, until};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Works after a while, and each error before names the server.
async fn works_soon(store: &impl Store) {
    until(async || match Attempt::new().reserve(store).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.server(), store.server(), "{error}");
            assert!(error.is_outage(), "{error}");
            false
        }
    })
    .await;
}

#[tokio::test]
async fn a_lazy_store_is_made_before_its_redis_and_works_once_that_is_there() {
    require!(Server::Redis);
    let server = Redis::start().await;
    server.kill();
    let builder = RedisStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = builder.connect_lazy().unwrap();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let cache = NearCache::new(store.clone());
    server.restart(Data::Keep).await;
    works_soon(&store).await;
    works_soon(&cache).await;
    store.close().await;
}

#[tokio::test]
async fn a_lazy_store_is_made_before_its_postgres_and_makes_its_tables_once_that_is_there() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    server.kill();
    let builder = PostgresStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = builder.connect_lazy().unwrap();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    server.restart().await;
    // Without a call of the store's: its tables may be needed by a transaction first.
    until(async || {
        let tables = server.try_sql("SELECT version FROM idempotent.records_migrations").await;
        tables.is_ok_and(|rows| !rows.is_empty())
    })
    .await;
    works_soon(&store).await;
    store.close().await;
}

#[tokio::test]
async fn a_lazy_store_is_made_before_the_folder_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mounted/calls.db");
    let store = SqliteStore::builder(&path).connect_lazy().unwrap();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.to_string().contains("does not exist"), "{error}");
    std::fs::create_dir(folder.path().join("mounted")).unwrap();
    works_soon(&store).await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "it is as private as any other");
    }
    store.close().await;
}

#[tokio::test]
async fn a_lazy_store_checks_its_server_as_any_other() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let builder = RedisStore::builder(server.url()).response_timeout(TIMEOUT).require_durable();
    let store = builder.connect_lazy().unwrap();
    for _ in 0..2 {
        let error = Attempt::new().reserve(&store).await.unwrap_err();
        assert!(error.to_string().contains("is not durable"), "{error}");
    }
    server.cli(&["CONFIG", "SET", "appendonly", "yes"]).await;
    until(async || Attempt::new().reserve(&store).await.is_ok()).await;
}

#[tokio::test]
async fn a_store_waits_for_its_server_as_long_as_it_is_told_to() {
    require!(Server::Redis);
    let server = Redis::start().await;
    server.kill();
    let builder = RedisStore::builder(server.url());
    let error = builder.clone().connect_with_retry(millis(200)).await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
    let waiting = tokio::spawn(builder.connect_with_retry(SOON * 6));
    tokio::time::sleep(millis(200)).await;
    server.restart(Data::Keep).await;
    let store = waiting.await.unwrap().unwrap();
    Attempt::new().win(&store).await;
}

#[tokio::test]
async fn a_postgres_and_a_file_are_waited_for_as_well() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    server.kill();
    let builder = PostgresStore::builder(server.url()).response_timeout(TIMEOUT);
    let waiting = tokio::spawn(builder.connect_with_retry(SOON * 6));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mounted/calls.db");
    let error = SqliteStore::builder(&path).connect_with_retry(millis(100)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let opening = tokio::spawn(SqliteStore::builder(&path).connect_with_retry(SOON * 6));
    tokio::time::sleep(millis(100)).await;
    std::fs::create_dir(folder.path().join("mounted")).unwrap();
    server.restart().await;
    Attempt::new().win(&opening.await.unwrap().unwrap()).await;
    Attempt::new().win(&waiting.await.unwrap().unwrap()).await;
}

#[test]
fn without_a_runtime_a_lazy_store_is_an_error() {
    let redis = RedisStore::builder("redis://127.0.0.1:1").connect_lazy().unwrap_err();
    let postgres = PostgresStore::builder("postgres://shop@127.0.0.1/shop").connect_lazy();
    let sqlite = SqliteStore::builder("calls.db").connect_lazy().unwrap_err();
    for error in [redis, postgres.unwrap_err(), sqlite] {
        assert!(error.to_string().contains("inside a tokio runtime"), "{error}");
    }
}

#[tokio::test]
async fn a_lazy_store_that_is_dropped_stops_trying() {
    let store = RedisStore::builder("redis://127.0.0.1:1").connect_lazy().unwrap();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0);
    drop(store);
    until(async || tasks() == 0).await;
}
