//! A Redis Cluster: each key has its primary's lane, also while slots move.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::model::Record;
use idempotent_core::store::{ReserveOutcome, Store};
use idempotent_servers::{Cluster, Redis, Reply, Server, require};
use idempotent_tests::Attempt;

use super::replica_group::{WITHIN, in_the_end};
use crate::support::{PATIENCE, SlotMove, calls};

pub(crate) async fn connect(cluster: &Cluster, replicas: usize) -> RedisStore {
    RedisStore::builder(RedisSource::cluster(cluster.urls()))
        .min_replicas(replicas, WITHIN)
        .response_timeout(Duration::from_secs(1))
        .connect()
        .await
        .unwrap()
}

/// A store whose replicas have far longer than they take: for calls that must succeed on a loaded machine.
pub(crate) async fn connect_patiently(cluster: &Cluster, replicas: usize) -> RedisStore {
    RedisStore::builder(RedisSource::cluster(cluster.urls()))
        .min_replicas(replicas, Duration::from_secs(10))
        .response_timeout(Duration::from_secs(1))
        .connect()
        .await
        .unwrap()
}

async fn keys(server: &Redis) -> BTreeSet<String> {
    let Reply::Array(keys) = server.cli(&["KEYS", "*"]).await else { panic!("no keys") };
    keys.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_stands_on_the_replica_of_its_own_primary() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect_patiently(&cluster, 1).await;
    for _ in 0..60 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        for master in 0..3 {
            let replica = cluster.replicas_of(master).await[0];
            let (master, replica) = (cluster.node(master), cluster.node(replica));
            assert_eq!(keys(master).await, keys(replica).await);
        }
        attempt.record(&store, &reservation, b"result").await;
    }
    for master in 0..3 {
        assert!(keys(cluster.node(master)).await.len() > 5);
        assert!(calls(cluster.node(master), "wait").await > 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_replica_holds_up_its_own_primary_only() {
    require!(Server::Redis);
    let cluster = Cluster::builder(3, 1).node_timeout(Duration::from_secs(15)).start().await;
    // Whoever is held up fails after that time.
    let within = Duration::from_secs(3);
    let store = RedisStore::builder(RedisSource::cluster(cluster.urls()))
        .min_replicas(1, within)
        .response_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    let replica = cluster.replicas_of(0).await[0];
    cluster.node(replica).stop_process();
    let (mut short, mut won) = (0, 0);
    while short < 3 || won < 3 {
        let begin = Instant::now();
        let answer = Attempt::new().reserve(&store).await;
        match answer {
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.ends_with("0 of 1 replicas acknowledged within 3000 ms"),
                    "{message}"
                );
                short += 1;
            }
            Ok(outcome) => {
                assert!(matches!(outcome, ReserveOutcome::Won), "{outcome:?}");
                assert!(begin.elapsed() < within, "{:?}", begin.elapsed());
                won += 1;
            }
        }
        assert!(short + won < 100, "{short} short, {won} won");
    }
    cluster.node(replica).resume();
    in_the_end("60 reserves", async || {
        for _ in 0..60 {
            Attempt::new().reserve(&store).await?;
        }
        Ok(())
    })
    .await;
}

/// Won, and the only record of the cluster: with its key.
async fn only(cluster: &Cluster, store: &RedisStore) -> (Attempt, Record, String) {
    let attempt = Attempt::new();
    let reservation = attempt.win(store).await;
    let mut found = BTreeSet::new();
    for master in cluster.masters().await {
        found.extend(keys(cluster.node(master)).await);
    }
    let key = found.pop_first().unwrap();
    assert!(found.is_empty());
    (attempt, reservation, key)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promises_follow_a_slot_that_moves() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect_patiently(&cluster, 1).await;
    let (attempt, reservation, key) = only(&cluster, &store).await;
    let slot = SlotMove::of(&cluster, &key).await;
    slot.begin().await;
    // The key is where it was.
    attempt.record(&store, &reservation, b"result").await;
    assert!(store.purge(&attempt.id).await.unwrap());
    // There is none, so the other master is asked for this once.
    let reservation = attempt.win(&store).await;
    assert!(keys(slot.to).await.contains(&key) && !keys(slot.from).await.contains(&key));
    attempt.record(&store, &reservation, b"result").await;
    slot.end().await;
    // The lanes still think otherwise.
    attempt.record(&store, &reservation, b"result").await;
    assert!(store.purge(&attempt.id).await.unwrap());
    // Sooner or later each master has heard of it, and nobody is sent on any more.
    let begin = Instant::now();
    loop {
        let waits = calls(slot.from, "wait").await;
        let reservation = attempt.win(&store).await;
        attempt.record(&store, &reservation, b"result").await;
        assert!(store.purge(&attempt.id).await.unwrap());
        if calls(slot.from, "wait").await == waits {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "the map stays the old one");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The others of its batch have their own answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_amid_many_calls_costs_none_of_them_its_promise() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect_patiently(&cluster, 1).await;
    let (attempt, reservation, key) = only(&cluster, &store).await;
    let slot = SlotMove::of(&cluster, &key).await;
    slot.begin().await;
    slot.carry(&key).await;
    let others: Vec<Attempt> = (0..64).map(|_| Attempt::new()).collect();
    let all = async {
        let mut calls = tokio::task::JoinSet::new();
        for other in others {
            let store = store.clone();
            calls.spawn(async move {
                let reservation = other.win(&store).await;
                other.record(&store, &reservation, b"result").await;
            });
        }
        calls.join_all().await;
    };
    let moved = async {
        attempt.record(&store, &reservation, b"result").await;
        slot.end().await;
    };
    tokio::join!(all, moved);
    let entry = store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation.completed(b"result"));
}
