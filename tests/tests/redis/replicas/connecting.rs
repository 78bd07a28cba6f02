//! What is looked at when a store connects.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::StoreErrorKind;
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::{Attempt, Log};

use super::replica_group::{ReplicaGroup, WITHIN};

#[tokio::test]
async fn more_replicas_than_there_are_cannot_be_asked_for() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let error = group.store(2).connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let expected = "has 1 replicas, so min_replicas(2, …) could never be met";
    assert!(error.to_string().contains(expected), "{error}");
}

#[tokio::test]
async fn fewer_replicas_than_there_are_is_warned_of_and_refused_where_that_is_asked_for() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(2).await;
    let (log, _listening) = Log::listen();
    group.connect(1).await;
    let warnings = log.events("redis may lose records");
    let said = |text: &str| warnings.iter().any(|line| line.field("message").contains(text));
    assert!(said("min_replicas(1, …) is below its 2 replicas"), "{warnings:?}");
    let error = group.store(1).require_durable().connect().await.unwrap_err();
    assert!(error.to_string().contains("below its 2 replicas"), "{error}");
}

#[tokio::test]
async fn none_is_the_same_as_not_asking() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = RedisStore::builder(server.url()).min_replicas(0, WITHIN).connect().await.unwrap();
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    attempt.record(&store, &reservation, b"result").await;
}

#[tokio::test]
async fn a_connection_of_the_applications_does_not_tell_where_its_replicas_are() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let client = redis::Client::open(group.primary.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let builder = RedisStore::builder(connection).min_replicas(1, WITHIN);
    let error = builder.connect().await.unwrap_err();
    assert!(error.to_string().contains("build the store from a URL or a redis::Client"), "{error}");
    let store = RedisStore::builder(client).min_replicas(1, WITHIN).connect().await.unwrap();
    Attempt::win_soon(&store).await;
}

/// To the server, none would mean for ever.
#[tokio::test]
async fn no_time_at_all_is_a_millisecond() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let builder = RedisStore::builder(group.primary.url())
        .min_replicas(1, Duration::ZERO)
        .response_timeout(Duration::from_secs(30));
    let store = builder.connect().await.unwrap();
    group.leave(0).await;
    let begin = std::time::Instant::now();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert!(error.to_string().ends_with("0 of 1 replicas acknowledged within 0 ms"), "{error}");
    // For ever would be as long as the store waits for an answer.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn the_longest_time_overflows_nothing() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let builder = RedisStore::builder(group.primary.url()).min_replicas(1, Duration::MAX);
    Attempt::new().win(&builder.connect().await.unwrap()).await;
}
