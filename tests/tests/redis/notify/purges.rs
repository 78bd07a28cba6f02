//! A purge through one process drops the copies that others keep.

use std::time::{Duration, Instant};

use idempotent_core::backends::{NearCache, RedisStore};
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::{Correct, CorrectOutcome, Reserve};
use idempotent_core::{Idempotency, Operation, Store};
use idempotent_servers::{Redis, Server, TcpProxy, require};
use idempotent_tests::{Runs, call, fresh_id, secs, until};

use super::stores::{
    complete, fleet, listeners, never_looking, published, reserved, until_listening,
};

/// A cache that listens.
async fn near(redis: &Redis) -> NearCache<RedisStore> {
    let (before, heard) = (listeners(redis).await, published(redis).await);
    let near = NearCache::new(never_looking(redis).connect().await.expect("it connects"));
    until(|| async { listeners(redis).await > before && published(redis).await > heard }).await;
    near
}

/// A completed record that the cache keeps.
async fn kept(near: &NearCache<RedisStore>) -> RecordId {
    let id = fresh_id();
    let reservation = reserved(near, &id).await;
    complete(near, &id, &reservation).await;
    bring(near, &id).await;
    id
}

async fn bring(near: &NearCache<RedisStore>, id: &RecordId) {
    let request = Reserve::new(id, Envelope::new("charge"));
    near.reserve(&request).await.expect("the store answers");
    until(|| async { near.completed(id).is_some() }).await;
}

#[tokio::test]
async fn a_copy_knows_how_long_its_record_is_kept() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let near = near(&redis).await;
    let id = kept(&near).await;
    let begin = Instant::now();
    let copy = near.completed(&id).unwrap();
    let record = near.load(&id).await.unwrap().unwrap();
    // What may have passed between the two.
    let passed = begin.elapsed();
    assert_eq!(copy.record, record.record);
    let (copy, record) = (copy.remaining.unwrap(), record.remaining.unwrap());
    let most = record + passed + Duration::from_millis(50);
    assert!(copy <= most, "{copy:?} of {record:?}, {passed:?} later");
}

#[tokio::test]
async fn a_purge_through_another_process_drops_the_copy() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let near = near(&redis).await;
    let operator = never_looking(&redis).connect().await.unwrap();
    assert!(near.hears_purges());
    let (id, other) = (kept(&near).await, kept(&near).await);
    assert!(operator.purge(&id).await.unwrap());
    until(|| async { near.completed(&id).is_none() }).await;
    assert!(near.completed(&other).is_some());
}

#[tokio::test]
async fn a_correction_through_another_process_drops_the_copy() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let near = near(&server).await;
    let operator = never_looking(&server).connect().await.unwrap();
    let id = kept(&near).await;
    let seen = near.completed(&id).unwrap().record;
    let right = seen.completed(b"right");
    let correct = Correct::new(&id, &seen, &right, secs(3600));
    assert_eq!(operator.correct(&correct).await.unwrap(), CorrectOutcome::Corrected);
    until(|| async { near.completed(&id).is_none_or(|copy| copy.record == right) }).await;
    let late = Correct::new(&id, &seen, &seen, secs(3600));
    assert_eq!(operator.correct(&late).await.unwrap(), CorrectOutcome::Changed);
    assert_eq!(near.load(&id).await.unwrap().unwrap().record, right);
}

#[tokio::test]
async fn a_purge_through_another_handle_of_this_process_drops_the_copy_at_once() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let near = near(&redis).await;
    let id = kept(&near).await;
    assert!(near.inner().clone().purge(&id).await.unwrap());
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn a_purge_of_what_is_gone_already_drops_the_copy_too() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let near = near(&redis).await;
    let id = kept(&near).await;
    redis.cli(&["FLUSHALL"]).await;
    assert!(near.completed(&id).is_some());
    let operator = never_looking(&redis).connect().await.unwrap();
    assert!(!operator.purge(&id).await.unwrap());
    until(|| async { near.completed(&id).is_none() }).await;
}

#[tokio::test]
async fn a_lost_subscription_drops_every_copy_and_keeps_new_ones() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let near = near(&redis).await;
    let [_other] = fleet_beside(&redis).await;
    let ids = [kept(&near).await, kept(&near).await];
    redis.cli(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    until(|| async { ids.iter().all(|id| near.completed(id).is_none()) }).await;
    until_listening(&redis, 2).await;
    bring(&near, &ids[0]).await;
}

/// One more store on a server on which one listens already.
async fn fleet_beside(redis: &Redis) -> [RedisStore; 1] {
    let store = never_looking(redis).connect().await.expect("it connects");
    reserved(&store, &fresh_id()).await;
    until_listening(redis, 2).await;
    [store]
}

#[tokio::test]
async fn a_replay_from_the_cache_sends_the_server_nothing() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let proxy = TcpProxy::start(redis.address()).await;
    let near = NearCache::new(
        RedisStore::builder(proxy.redis_url())
            .connect_with_retry(Duration::from_secs(20))
            .await
            .unwrap(),
    );
    until(|| async { listeners(&redis).await == 1 && published(&redis).await == 1 }).await;
    let (engine, runs) = (Idempotency::new(near.clone()), Runs::new());
    let charge = Operation::new("charge");
    let id = engine.record_id("charge", None, &"k").unwrap();
    for _ in 0..2 {
        assert_eq!(call(&engine, charge, "k", &runs).await.unwrap(), 1);
    }
    until(|| async { near.completed(&id).is_some() }).await;
    let before = proxy.counts().commands();
    for _ in 0..100 {
        assert_eq!(call(&engine, charge, "k", &runs).await.unwrap(), 1);
    }
    assert_eq!(proxy.counts().commands(), before);
}

#[tokio::test]
async fn a_store_that_cannot_listen_says_so() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let client = redis::Client::open(redis.url()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let store = RedisStore::builder(connection).connect().await.unwrap();
    assert!(!NearCache::new(store).hears_purges());
}

#[tokio::test]
async fn a_purge_says_so_also_when_nobody_waits() {
    require!(Server::Redis);
    let redis = Redis::start().await;
    let [store] = fleet(&redis).await;
    let before = published(&redis).await;
    store.purge(&fresh_id()).await.unwrap();
    assert_eq!(published(&redis).await, before + 1);
}
