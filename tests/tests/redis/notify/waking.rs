//! Whoever waits is woken by a message, and nothing is said while nobody waits.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::store::Wait;
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::{SOON, fresh_id, settle, until, waiter, wakes};
use tokio::time::{Instant, sleep, timeout};

use super::stores::{
    complete, fleet, known_waiter, listeners, never_looking, published, release, reserved,
    reserved_for, until_listening, waited_for,
};
use crate::support::calls;

#[tokio::test]
async fn a_waiter_in_another_process_wakes_when_the_call_completes() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    let looks = calls(&redis, "exec").await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
    assert_eq!(calls(&redis, "exec").await, looks, "it was told, and did not look");
}

#[tokio::test]
async fn a_waiter_in_another_process_wakes_when_the_call_is_released() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    release(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_in_another_process_wakes_when_the_record_is_purged() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other, operator] = fleet(&redis).await;
    let (id, _, waiter) = waited_for(&redis, &owner, &other).await;
    assert!(operator.purge(&id).await.unwrap());
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_of_the_same_store_wakes_without_a_message() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &owner).await;
    let before = published(&redis).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(published(&redis).await, before);
}

#[tokio::test]
async fn nothing_is_published_while_nobody_waits() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [one, other] = fleet(&redis).await;
    let before = published(&redis).await;
    for _ in 0..100 {
        let id = fresh_id();
        let reservation = reserved(&one, &id).await;
        complete(&one, &id, &reservation).await;
        let id = fresh_id();
        let reservation = reserved(&other, &id).await;
        release(&other, &id, &reservation).await;
    }
    sleep(Duration::from_millis(50)).await;
    assert_eq!(published(&redis).await, before);
}

#[tokio::test]
async fn a_wait_for_a_call_that_has_ended_says_nothing() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let id = fresh_id();
    let reservation = reserved(&owner, &id).await;
    complete(&owner, &id, &reservation).await;
    let before = published(&redis).await;
    wakes(waiter(&other, &id, &reservation)).await;
    assert_eq!(published(&redis).await, before);
}

#[tokio::test]
async fn a_thousand_waiters_of_one_process_are_one_announcement_and_one_message() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let id = fresh_id();
    let reservation = reserved(&owner, &id).await;
    let before = published(&redis).await;
    let mut waiters = vec![known_waiter(&redis, &other, &id, &reservation).await];
    waiters.extend((1..1000).map(|_| waiter(&other, &id, &reservation)));
    sleep(Duration::from_millis(100)).await;
    // However late: all of them wait by now.
    settle().await;
    complete(&owner, &id, &reservation).await;
    for waiter in waiters {
        wakes(waiter).await;
    }
    assert_eq!(published(&redis).await, before + 2);
}

#[tokio::test]
async fn waiters_for_a_thousand_calls_all_wake() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let before = published(&redis).await;
    let mut calls = Vec::new();
    for _ in 0..1000 {
        let id = fresh_id();
        let reservation = reserved(&owner, &id).await;
        let waiter = waiter(&other, &id, &reservation);
        calls.push((id, reservation, waiter));
    }
    until(|| async { published(&redis).await >= before + 1000 }).await;
    sleep(Duration::from_millis(100)).await;
    for (id, reservation, _) in &calls {
        complete(&owner, id, reservation).await;
    }
    for (.., waiter) in calls {
        wakes(waiter).await;
    }
}

#[tokio::test]
async fn a_process_that_only_resolves_wakes_who_waits() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    let operator = never_looking(&redis).connect().await.unwrap();
    complete(&operator, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_process_that_comes_late_hears_who_waits() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    let late = never_looking(&redis).connect().await.unwrap();
    let before = published(&redis).await;
    reserved(&late, &fresh_id()).await;
    // Its greeting, and the answer to it.
    until(|| async { published(&redis).await >= before + 2 }).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!(listeners(&redis).await, 3);
    complete(&late, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_waiter_without_messages_finds_the_end_by_looking() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner] = fleet(&redis).await;
    let connection = redis::Client::open(redis.url()).unwrap();
    let connection = connection.get_multiplexed_async_connection().await.unwrap();
    let deaf = idempotent_core::backends::RedisStore::builder(connection);
    let deaf = deaf.connect().await.unwrap();
    let id = fresh_id();
    let reservation = reserved(&owner, &id).await;
    let waiter = waiter(&deaf, &id, &reservation);
    sleep(Duration::from_millis(100)).await;
    assert!(!waiter.is_finished());
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
    assert_eq!(listeners(&redis).await, 1);
}

#[tokio::test]
async fn a_waiter_wakes_when_the_lease_lapses() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let id = fresh_id();
    let start = Instant::now();
    let reservation = reserved_for(&owner, &id, Duration::from_millis(300)).await;
    wakes(waiter(&other, &id, &reservation)).await;
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_wait_ends_with_its_timeout() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let id = fresh_id();
    let reservation = reserved(&owner, &id).await;
    let request = Wait::new(&id, reservation.token(), Duration::from_millis(50));
    timeout(SOON, other.wait(&request)).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_subscription_ends_with_the_last_handle() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [store] = fleet(&redis).await;
    let clone = store.clone();
    drop(store);
    reserved(&clone, &fresh_id()).await;
    assert_eq!(listeners(&redis).await, 1);
    drop(clone);
    until(|| async { listeners(&redis).await == 0 }).await;
}

#[tokio::test]
async fn a_waiter_that_goes_away_leaves_nothing_that_keeps_the_store() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (_, _, waiter) = waited_for(&redis, &owner, &other).await;
    waiter.abort();
    drop(other);
    until(|| async { listeners(&redis).await == 1 }).await;
}

#[test]
fn a_store_goes_on_listening_in_another_runtime() {
    require!(Server::Redis);
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let servers = runtime();
    let redis = servers.block_on(Redis::start());
    let client = servers.block_on(async { never_looking(&redis).connect().await.unwrap() });
    let first = runtime();
    first.block_on(async {
        reserved(&client, &fresh_id()).await;
        until_listening(&redis, 1).await;
    });
    drop(first);
    servers.block_on(async {
        until(|| async { listeners(&redis).await == 0 }).await;
        reserved(&client, &fresh_id()).await;
        until(|| async { listeners(&redis).await == 1 }).await;
    });
}
