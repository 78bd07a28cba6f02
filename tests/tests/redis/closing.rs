//! Closing a store: what it waits for, what it ends, and what it refuses afterwards.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{Scan, Store, StoreErrorKind};
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::{Attempt, SOON, until};
use tokio::runtime::Handle;

use crate::replicas::ReplicaGroup;

/// How many clients the server has, without the one that asks.
async fn clients(server: &Redis) -> usize {
    let clients = server.cli(&["CLIENT", "LIST"]).await.to_string();
    clients.lines().filter(|line| line.contains("id=") && !line.contains("cmd=client")).count()
}

async fn refuses_every_call(store: &RedisStore) {
    let attempt = Attempt::new();
    let errors = [
        attempt.reserve(store).await.unwrap_err(),
        store.load(&attempt.id).await.unwrap_err(),
        store.purge(&attempt.id).await.unwrap_err(),
        store.scan(&Scan::all()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().ends_with(": the store has been closed"), "{error}");
    }
}

#[tokio::test]
async fn a_closed_store_ends_its_connections_and_its_tasks_and_refuses_every_call() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let idle = Handle::current().metrics().num_alive_tasks();
    let store = RedisStore::builder(server.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    attempt.record(&store, &reservation, b"result").await;
    until(async || clients(&server).await == 4).await;
    store.clone().close().await;
    refuses_every_call(&store).await;
    until(async || clients(&server).await == 0).await;
    until(async || Handle::current().metrics().num_alive_tasks() <= idle).await;
    tokio::time::timeout(SOON, store.close()).await.unwrap();
}

#[tokio::test]
async fn a_store_that_waits_for_replicas_closes_as_well() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let builder = RedisStore::builder(group.primary.url());
    let store = builder.min_replicas(1, Duration::from_secs(5)).connect().await.unwrap();
    Attempt::new().win(&store).await;
    store.close().await;
    refuses_every_call(&store).await;
}

#[tokio::test]
async fn a_store_closes_in_time_although_its_server_is_gone() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    Attempt::new().win(&store).await;
    server.kill();
    let _ = Attempt::new().reserve(&store).await;
    tokio::time::timeout(Duration::from_secs(20), store.close()).await.unwrap();
    refuses_every_call(&store).await;
}

#[tokio::test]
async fn a_connection_of_the_applications_outlives_the_store() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = RedisStore::builder(connection.clone()).connect().await.unwrap();
    store.close().await;
    refuses_every_call(&store).await;
    let pong: String = redis::cmd("PING").query_async(&mut connection).await.unwrap();
    assert_eq!(pong, "PONG");
}
