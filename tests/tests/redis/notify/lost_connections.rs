//! Connections are lost, rights are missing, and what is heard makes no sense.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::{NearCache, RedisStore};
use idempotent_core::model::Envelope;
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::Reserve;
use idempotent_servers::{Data, Redis, Server, TcpProxy, require};
use idempotent_tests::{Log, fresh_id, secs, until, until_within, waiter, wakes};
use tokio::time::sleep;

use super::stores::{
    CHANNEL, complete, fleet, known_waiter, listeners, published, reserved, until_listening,
    waited_for,
};

#[tokio::test]
async fn a_subscription_that_was_killed_comes_back() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let id = fresh_id();
    let reservation = reserved(&owner, &id).await;
    let before = published(&redis).await;
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    until(|| async { listeners(&redis).await == 2 }).await;
    until(|| async { published(&redis).await >= before + 2 }).await;
    let waiter = known_waiter(&redis, &other, &id, &reservation).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn who_waits_while_the_subscription_is_lost_wakes() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    let before = published(&redis).await;
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    until(|| async { listeners(&redis).await == 2 }).await;
    // Two greetings, and the waiter once more.
    until(|| async { published(&redis).await >= before + 3 }).await;
    // The waiter may be announced once more, in answer to the second greeting.
    sleep(Duration::from_secs(1)).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_server_that_was_restarted_is_listened_to_again() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    redis.restart(Data::Drop).await;
    // And have said so: a greeting must not pass for the waiter's announcement.
    until_listening(&redis, 2).await;
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_connection_over_which_nothing_comes_any_more_counts_as_lost() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let store = RedisStore::builder(proxy.redis_url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    let near = NearCache::new(store);
    until(|| async { listeners(&redis).await == 1 }).await;
    let id = fresh_id();
    let reservation = reserved(&near, &id).await;
    complete(&near, &id, &reservation).await;
    let request = Reserve::new(&id, Envelope::new("charge"));
    near.reserve(&request).await.unwrap();
    until(|| async { near.completed(&id).is_some() }).await;
    proxy.stall();
    // The store takes seven seconds to notice.
    until_within(secs(30), || async { near.completed(&id).is_none() }).await;
    proxy.resume();
    until_within(secs(30), || async { listeners(&redis).await == 1 }).await;
}

#[tokio::test]
async fn a_user_without_rights_to_channels_loses_only_the_quick_wake() {
    require!(Server::Redis);
    let redis = Redis::builder().user("app", "on >secret ~* resetchannels +@all").start().await;
    let (log, _listening) = Log::listen();
    let connect = || async {
        let builder = RedisStore::builder(redis.url()).username("app").password("secret");
        builder.connect().await.unwrap()
    };
    let (owner, other) = (connect().await, connect().await);
    for _ in 0..3 {
        let id = fresh_id();
        let reservation = reserved(&owner, &id).await;
        let waiter = waiter(&other, &id, &reservation);
        sleep(Duration::from_millis(50)).await;
        complete(&owner, &id, &reservation).await;
        wakes(waiter).await;
        assert!(other.purge(&id).await.unwrap());
        assert!(!owner.purge(&id).await.unwrap());
    }
    assert_eq!(listeners(&redis).await, 0);
    until(async || log.events("cannot subscribe").len() >= 2).await;
    let warnings = log.events("cannot subscribe");
    assert_eq!(warnings.len(), 2, "once a store");
    assert!(warnings.iter().all(|line| line.field("channel") == CHANNEL), "{warnings:?}");
    assert_eq!(log.events("may not publish").len(), 2, "once a store");
}

#[tokio::test]
async fn what_makes_no_sense_is_ignored() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [owner, other] = fleet(&redis).await;
    let long = "w".repeat(100_000);
    for nonsense in ["", "h", "d", "wwwwwwwww", &long, "pééééééééé", "?somebody"] {
        redis.cli(&["SPUBLISH", CHANNEL, nonsense]).await;
    }
    let (id, reservation, waiter) = waited_for(&redis, &owner, &other).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn stores_of_another_prefix_are_not_spoken_to() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [_store] = fleet(&redis).await;
    let other = RedisStore::builder(redis.url()).prefix("other:").connect().await.unwrap();
    reserved(&other, &fresh_id()).await;
    until(|| async {
        let channels = redis.cli(&["PUBSUB", "SHARDCHANNELS"]).await.to_string();
        channels.contains("other:wake")
    })
    .await;
    assert_eq!(listeners(&redis).await, 1);
}
