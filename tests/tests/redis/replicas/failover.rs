//! Primaries that die, freeze or are cut off, and replicas that take over.

use std::sync::Arc;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::store::{CompleteOutcome, ReserveOutcome, State, Store, StoreErrorKind};
use idempotent_servers::{Cluster, Data, Namespace, Sentinel, Server, require};
use idempotent_tests::Attempt;

use super::cluster::{connect, connect_patiently};
use super::replica_group::{WITHIN, assert_short, in_the_end};

/// Until each of the masters has taken some.
async fn works(store: &RedisStore) {
    for _ in 0..12 {
        let attempt = Attempt::new();
        let request = attempt.request();
        in_the_end("a reserve", async || store.reserve(&request).await).await;
        let reservation = request.record();
        let recorded = in_the_end("a complete", async || {
            attempt.complete(store, reservation, b"result").await
        });
        let recorded = recorded.await;
        assert!(matches!(recorded, CompleteOutcome::Recorded), "{recorded:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_master_at_once() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 2).await;
    let store = connect_patiently(&cluster, 2).await;
    let mut attempts = Vec::new();
    for number in 0..24 {
        let attempt = Attempt::at_most_once();
        let reservation = attempt.win(&store).await;
        if number % 2 == 0 {
            attempt.record(&store, &reservation, b"result").await;
        }
        attempts.push((attempt, reservation));
    }
    // Without a moment in between.
    cluster.node(0).kill();
    for (number, (attempt, reservation)) in attempts.iter().enumerate() {
        let answer = in_the_end("a look", async || store.load(&attempt.id).await).await;
        let entry = answer.expect("a promise was broken");
        assert_eq!(entry.record.token(), reservation.token());
        let expected = if number % 2 == 0 { State::Completed } else { State::Reserved };
        assert_eq!(entry.state, expected);
    }
}

/// One replica is left to acknowledge what its new master takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_replaced_and_promises_are_kept_again() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 2).await;
    let store = connect(&cluster, 1).await;
    works(&store).await;
    cluster.node(0).kill();
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_for_ever_is_replaced() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 2).await;
    let store = connect(&cluster, 1).await;
    works(&store).await;
    cluster.node(1).stop_process();
    works(&store).await;
    cluster.node(1).resume();
}

/// The new master has no replica, so nothing is promised until the old one is back as one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_second_replica_promises_wait_for_the_old_master() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect(&cluster, 1).await;
    works(&store).await;
    cluster.node(2).kill();
    cluster.wait_for_new_master(2).await;
    let mut refused = 0;
    for _ in 0..24 {
        if Attempt::new().reserve(&store).await.is_err() {
            refused += 1;
        }
    }
    assert!(refused > 0, "a master without replicas promised something");
    cluster.node(2).restart(Data::Keep).await;
    cluster.wait_until_whole().await;
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_sentinel_watches_is_followed_to_its_new_master() {
    require!(Server::Redis);
    let group = Sentinel::start(2, 3).await;
    let store =
        RedisStore::builder(RedisSource::sentinel(group.sentinel_urls(), group.master_name()))
            .min_replicas(1, WITHIN)
            .connect()
            .await
            .unwrap();
    let attempt = Attempt::new();
    let request = attempt.request();
    in_the_end("a reserve", async || store.reserve(&request).await).await;
    let reservation = request.record();
    group.kill_master().await;
    let recorded =
        in_the_end("a complete", async || attempt.complete(&store, reservation, b"result").await);
    assert!(matches!(recorded.await, CompleteOutcome::Recorded));
    works(&store).await;
}

/// A prefix that puts all records on one master.
async fn prefix_of(cluster: &Cluster, master: usize) -> String {
    for number in 0..1000 {
        let tag = format!("{{{number}}}");
        if cluster.master_of(&tag).await == master {
            return format!("{tag}idem:");
        }
    }
    panic!("no tag belongs to master {master}")
}

/// The master lives on at its side of the partition, and a caller there with it; its replica is
/// elected at the other side, and another caller asks there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sides_of_a_partition_one_wins() {
    require!(Server::Redis, Server::Namespaces);
    let space = Arc::new(Namespace::create().await);
    let cluster = Arc::new(space.cluster(3, 1).start().await);
    let prefix = prefix_of(&cluster, 0).await;
    let inside = Arc::clone(&space);
    space
        .run(move || async move {
            let connect = async |urls: Vec<String>| {
                let builder = RedisStore::builder(RedisSource::cluster(urls))
                    .prefix(&prefix)
                    .min_replicas(1, WITHIN);
                builder.connect().await.unwrap()
            };
            let (here, there) = (connect(cluster.urls()).await, connect(cluster.urls()).await);
            works(&here).await;
            let attempt = Attempt::new();
            let (ours, theirs) = (attempt.request(), attempt.request());
            let ip = |node: usize| cluster.node(node).address().ip();
            inside.cut(&[ip(0)], &(1..6).map(ip).collect::<Vec<_>>());

            assert_short(&here.reserve(&ours).await.unwrap_err(), 0, 1);
            cluster.wait_for_new_master(0).await;
            let refused = there.reserve(&theirs).await.unwrap_err();
            assert_eq!(refused.kind(), StoreErrorKind::Unavailable, "{refused:?}");

            inside.heal();
            cluster.wait_until_whole().await;
            let won = in_the_end("a reserve", async || there.reserve(&theirs).await).await;
            assert!(matches!(won, ReserveOutcome::Won), "{won:?}");
            let taken = in_the_end("a reserve", async || here.reserve(&ours).await).await;
            let ReserveOutcome::Taken(entry) = taken else { panic!("both sides won") };
            assert_eq!(&entry.record, theirs.record());
        })
        .await;
}
