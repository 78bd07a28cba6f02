//! A repeated call finds what its first attempt wrote. To have seen that is no acknowledgement:
//! `WAIT` on a connection that wrote nothing counts every replica that is there.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{ReserveOutcome, Store};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Attempt;

use super::replica_group::{ReplicaGroup, assert_short, in_the_end};

/// A handle that has written nothing yet, as after a reconnect.
async fn fresh(group: &ReplicaGroup) -> RedisStore {
    group.connect(1).await
}

async fn a_repeated_reserve_waits_for_replicas(group: &ReplicaGroup, attempt: &Attempt) {
    let (store, other) = (fresh(group).await, fresh(group).await);
    let request = attempt.request();
    group.replicas[0].stop_process();
    assert_short(&store.reserve(&request).await.unwrap_err(), 0, 1);
    let repeated = other.reserve(&request).await;
    group.replicas[0].resume();
    assert_short(&repeated.unwrap_err(), 0, 1);
    let won = in_the_end("a reserve", async || fresh(group).await.reserve(&request).await).await;
    assert!(matches!(won, ReserveOutcome::Won), "{won:?}");
    other.purge(&attempt.id).await.unwrap();
}

async fn a_repeated_complete_waits_for_replicas(group: &ReplicaGroup, attempt: &Attempt) {
    let (store, other) = (fresh(group).await, fresh(group).await);
    let reservation = attempt.win(&group.connect_patiently(1).await).await;
    group.replicas[0].stop_process();
    let first = attempt.complete(&store, &reservation, b"result").await;
    let repeated = attempt.complete(&other, &reservation, b"result").await;
    group.replicas[0].resume();
    assert_short(&first.unwrap_err(), 0, 1);
    assert_short(&repeated.unwrap_err(), 0, 1);
    in_the_end("a complete", async || {
        attempt.complete(&fresh(group).await, &reservation, b"result").await
    })
    .await;
}

#[tokio::test]
async fn by_script_a_repeat_waits_for_replicas() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        a_repeated_reserve_waits_for_replicas(&group, &attempt).await;
        a_repeated_complete_waits_for_replicas(&group, &attempt).await;
    }
}

#[tokio::test]
async fn by_ifeq_a_repeat_waits_for_replicas() {
    require!(Server::Valkey91);
    let group = ReplicaGroup::of(Flavor::Valkey91, 1).await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        a_repeated_reserve_waits_for_replicas(&group, &attempt).await;
        a_repeated_complete_waits_for_replicas(&group, &attempt).await;
    }
}

/// Repeats both calls, and looks whether the record is as it was.
async fn repeats_change_nothing(flavor: Flavor, is_persistent: bool) {
    let group = ReplicaGroup::of(flavor, 1).await;
    let store = group.connect_patiently(1).await;
    let attempt = Attempt::at_most_once();
    let request = attempt.request();
    store.reserve(&request).await.unwrap();
    let key = group.key().await;
    if is_persistent {
        group.primary.cli(&["PERSIST", &key]).await;
    }
    let look = async || {
        let ends = group.primary.cli(&["PEXPIRETIME", &key]).await;
        (ends, group.primary.cli(&["GET", &key]).await)
    };
    let reserved = look().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
    assert_eq!(look().await, reserved);

    attempt.record(&store, request.record(), b"result").await;
    if is_persistent {
        group.primary.cli(&["PERSIST", &key]).await;
    }
    let completed = look().await;
    assert_ne!(completed, reserved);
    tokio::time::sleep(Duration::from_millis(20)).await;
    attempt.record(&store, request.record(), b"result").await;
    assert_eq!(look().await, completed);
    for replica in &group.replicas {
        let ends = replica.cli(&["PEXPIRETIME", &key]).await;
        assert_eq!((ends, replica.cli(&["GET", &key]).await), completed);
    }
}

#[tokio::test]
async fn a_repeat_neither_prolongs_nor_changes_a_record() {
    require!(Server::Redis, Server::Valkey91);
    repeats_change_nothing(Flavor::Redis, false).await;
    repeats_change_nothing(Flavor::Valkey91, false).await;
}

#[tokio::test]
async fn a_record_that_somebody_made_persistent_is_confirmed_and_stays_so() {
    require!(Server::Redis);
    repeats_change_nothing(Flavor::Redis, true).await;
    let group = ReplicaGroup::start(1).await;
    let attempt = Attempt::new();
    let request = attempt.request();
    group.connect_patiently(1).await.reserve(&request).await.unwrap();
    group.primary.cli(&["PERSIST", &group.key().await]).await;
    let other = fresh(&group).await;
    group.replicas[0].stop_process();
    let repeated = other.reserve(&request).await;
    group.replicas[0].resume();
    assert_short(&repeated.unwrap_err(), 0, 1);
}

#[tokio::test]
async fn at_the_memory_limit_repeats_are_confirmed_and_calls_end() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        let request = attempt.request();
        store.reserve(&request).await.unwrap();
        group.primary.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let repeated = store.reserve(&request).await.unwrap();
        assert!(matches!(repeated, ReserveOutcome::Won), "{repeated:?}");
        attempt.record(&store, request.record(), b"result").await;
        attempt.record(&store, request.record(), b"result").await;
        group.primary.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    }
}
