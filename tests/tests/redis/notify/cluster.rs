//! In a cluster everything is said on one sharded channel, wherever the records are.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::{NearCache, RedisSource, RedisStore};
use idempotent_core::model::Envelope;
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::Reserve;
use idempotent_servers::{Cluster, Redis, Server, require};
use idempotent_tests::{HOUR, fresh_id, secs, until, until_within, wakes};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::stores::{CHANNEL, complete, known_waiter, listeners, published, reserved, waited_for};

/// How long a store takes to notice by itself that nothing is said any more.
const SILENCE: Duration = Duration::from_secs(5);

/// A failover takes seconds, and so do the pauses between attempts to subscribe.
const LATE: Duration = Duration::from_secs(30);

async fn store(cluster: &Cluster) -> RedisStore {
    let builder = RedisStore::builder(RedisSource::cluster(cluster.urls())).wait_pauses(HOUR, HOUR);
    builder.response_timeout(secs(5)).connect().await.expect("it connects")
}

/// The node where everything is said, on which so many stores listen.
async fn speaking(cluster: &Cluster, stores: usize) -> &Redis {
    let node = cluster.node(cluster.master_of(CHANNEL).await);
    until_within(LATE, || async { listeners(node).await == stores }).await;
    until_within(LATE, || async { published(node).await >= stores }).await;
    node
}

#[tokio::test]
async fn waiters_wake_and_copies_go_wherever_the_record_is() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let (owner, other) = (store(&cluster).await, NearCache::new(store(&cluster).await));
    reserved(&owner, &fresh_id()).await;
    let node = speaking(&cluster, 2).await;
    let mut waiters: Vec<JoinHandle<()>> = Vec::new();
    let mut calls = Vec::new();
    // Enough for each of three nodes, but for one in a billion runs.
    for _ in 0..50 {
        let id = fresh_id();
        let reservation = reserved(&owner, &id).await;
        waiters.push(known_waiter(node, &other, &id, &reservation).await);
        calls.push((id, reservation));
    }
    for (id, reservation) in &calls {
        complete(&owner, id, reservation).await;
    }
    for waiter in waiters {
        wakes(waiter).await;
    }
    for (id, _) in &calls {
        let request = Reserve::new(id, Envelope::new("charge"));
        other.reserve(&request).await.unwrap();
        until(|| async { other.completed(id).is_some() }).await;
        assert!(owner.purge(id).await.unwrap());
        until(|| async { other.completed(id).is_none() }).await;
    }
}

#[tokio::test]
async fn waiters_wake_again_after_the_channels_master_was_lost() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let (owner, other) = (store(&cluster).await, store(&cluster).await);
    reserved(&owner, &fresh_id()).await;
    reserved(&other, &fresh_id()).await;
    speaking(&cluster, 2).await;
    let old = cluster.master_of(CHANNEL).await;
    cluster.node(old).kill();
    let elected = cluster.node(cluster.wait_for_new_master(old).await);
    let heard = async || listeners(elected).await == 2 && published(elected).await >= 2;
    until_within(LATE, heard).await;
    let id = loop {
        let id = fresh_id();
        let request = Reserve::new(&id, Envelope::new("charge"));
        if owner.reserve(&request).await.is_ok() {
            break fresh_id();
        }
    };
    let reservation = reserved(&owner, &id).await;
    let waiter = known_waiter(elected, &other, &id, &reservation).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

#[tokio::test]
async fn a_channel_whose_slot_moves_is_followed() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let (owner, other) = (store(&cluster).await, store(&cluster).await);
    reserved(&owner, &fresh_id()).await;
    reserved(&other, &fresh_id()).await;
    speaking(&cluster, 2).await;
    let old = cluster.master_of(CHANNEL).await;
    let masters = cluster.masters().await;
    let new = masters.iter().copied().find(|master| *master != old).unwrap();
    move_slot(&cluster, old, new).await;
    let node = cluster.node(new);
    let heard = until(|| async { listeners(node).await == 2 && published(node).await >= 2 });
    timeout(SILENCE * 4 / 5, heard).await.expect("the old node says that the slot moved");
    let (id, reservation, waiter) = waited_for(node, &owner, &other).await;
    complete(&owner, &id, &reservation).await;
    wakes(waiter).await;
}

/// Gives the slot of the channel to another master. Its few records stay behind: a node that keeps
/// some of a slot that it does not own deletes them.
async fn move_slot(cluster: &Cluster, old: usize, new: usize) {
    let slot = cluster.node(old).cli(&["CLUSTER", "KEYSLOT", CHANNEL]).await.to_string();
    let id = cluster.node(new).cli(&["CLUSTER", "MYID"]).await.to_string();
    for node in [new, old] {
        let done = cluster.node(node).cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]).await;
        assert_eq!(done.text(), Some("OK"), "{done:?}");
    }
}
