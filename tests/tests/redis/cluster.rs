//! A Redis Cluster whose masters die, freeze and hand over their slots.

use std::collections::BTreeSet;
use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::model::Record;
use idempotent_core::store::{RenewOutcome, ReserveOutcome, Scan, State, Store};
use idempotent_servers::{Cluster, Data, Reply, Server, require};
use idempotent_tests::{Attempt, Log};

use crate::support::{SlotMove, in_the_end, replicated};

async fn connect(cluster: &Cluster) -> RedisStore {
    RedisStore::builder(RedisSource::cluster(cluster.urls()))
        .response_timeout(Duration::from_secs(2))
        .connect()
        .await
        .unwrap()
}

/// Replication is asynchronous: waits until the replica of each master has everything.
async fn all_replicated(cluster: &Cluster) {
    for master in cluster.masters().await {
        replicated(cluster.node(master)).await;
    }
}

/// Attempts that have a record on every master, so that each fault hits some of them.
async fn one_of_each(store: &RedisStore, count: usize) -> Vec<(Attempt, Record)> {
    let mut attempts = Vec::new();
    for _ in 0..count {
        let attempt = Attempt::new();
        let reservation = attempt.win(store).await;
        attempts.push((attempt, reservation));
    }
    attempts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_spread_over_the_masters_and_a_scan_sees_them_all() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = connect(&cluster).await;
    let attempts = one_of_each(&store, 60).await;
    for master in cluster.nodes() {
        let Reply::Int(keys) = master.cli(&["DBSIZE"]).await else { panic!("no number") };
        assert!(keys > 5, "{keys} of 60 records on one of three masters");
    }
    let mut seen = BTreeSet::new();
    let mut scan = Scan::all().limit(10);
    loop {
        let page = store.scan(&scan).await.unwrap();
        seen.extend(page.entries.iter().map(|(id, _)| id.to_string()));
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => break,
        }
    }
    assert_eq!(seen, attempts.iter().map(|(attempt, _)| attempt.id.to_string()).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_replaced_and_its_records_replay() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect(&cluster).await;
    let attempts = one_of_each(&store, 12).await;
    for (attempt, reservation) in &attempts {
        attempt.record(&store, reservation, b"result").await;
    }
    all_replicated(&cluster).await;
    cluster.node(0).kill();
    for (attempt, _) in &attempts {
        let answer = in_the_end("a replay", || attempt.reserve(&store)).await;
        let ReserveOutcome::Taken(entry) = answer else { panic!("a completed record is gone") };
        assert_eq!(entry.state, State::Completed);
    }
    for _ in 0..12 {
        let attempt = Attempt::new();
        let request = attempt.request();
        in_the_end("a reserve", async || store.reserve(&request).await).await;
        let reservation = request.record();
        in_the_end("a complete", || attempt.complete(&store, reservation, b"new")).await;
    }
    in_the_end("a scan", async || store.scan(&Scan::all()).await).await;
}

/// Its connections stay open, and nothing comes over them any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_freezes_for_ever_is_replaced() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let store = connect(&cluster).await;
    let attempts = one_of_each(&store, 12).await;
    all_replicated(&cluster).await;
    cluster.node(1).stop_process();
    for (attempt, reservation) in &attempts {
        let renewed = in_the_end("a renewal", || attempt.renew(&store, reservation)).await;
        assert_eq!(renewed, RenewOutcome::Renewed);
        in_the_end("a complete", || attempt.complete(&store, reservation, b"result")).await;
    }
    for _ in 0..12 {
        in_the_end("a reserve", async || Attempt::new().reserve(&store).await).await;
    }
    cluster.node(1).resume();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_masters_that_restart_are_found_again() {
    require!(Server::Redis);
    let cluster = Cluster::builder(3, 0).persistent_aof().start().await;
    let store = connect(&cluster).await;
    let attempts = one_of_each(&store, 6).await;
    for node in cluster.nodes() {
        node.restart(Data::Keep).await;
    }
    for (attempt, reservation) in &attempts {
        in_the_end("a complete", || attempt.complete(&store, reservation, b"result")).await;
    }
}

/// The key of the only record that there is.
async fn only_key(cluster: &Cluster) -> String {
    let mut found = None;
    for node in cluster.nodes() {
        let Reply::Array(keys) = node.cli(&["KEYS", "*"]).await else { panic!("no keys") };
        found = found.or(keys.first().map(ToString::to_string));
    }
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_found_while_its_slot_moves_and_after() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = connect(&cluster).await;
    let attempt = Attempt::at_most_once();
    let reservation = attempt.win(&store).await;
    let key = only_key(&cluster).await;
    let slot = SlotMove::of(&cluster, &key).await;
    let is_reserved = async || {
        let entry = store.load(&attempt.id).await.unwrap().unwrap();
        assert_eq!((entry.state, &entry.record), (State::Reserved, &reservation));
        let ReserveOutcome::Taken(entry) = attempt.reserve(&store).await.unwrap() else {
            panic!("a reserved id was won");
        };
        assert_eq!(entry.state, State::Reserved);
        let renewed = attempt.renew(&store, &reservation).await.unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed);
    };
    slot.begin().await;
    is_reserved().await;
    slot.carry(&key).await;
    is_reserved().await;
    slot.end().await;
    is_reserved().await;
    attempt.record(&store, &reservation, b"result").await;
    assert!(store.purge(&attempt.id).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_connection_of_the_applications_is_a_way_to_the_cluster() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let client = redis::cluster::ClusterClient::new(cluster.urls()).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    let store = RedisStore::builder(connection).connect().await.unwrap();
    for (attempt, reservation) in one_of_each(&store, 12).await {
        attempt.record(&store, &reservation, b"result").await;
    }
    assert_eq!(store.scan(&Scan::all().limit(100)).await.unwrap().entries.len(), 12);
}

#[tokio::test]
async fn a_cluster_that_elects_stale_replicas_is_warned_of_and_refused_where_that_is_asked_for() {
    require!(Server::Redis);
    let cluster = Cluster::builder(3, 0).persistent_aof().validity_factor(0).start().await;
    let (log, _listening) = Log::listen();
    RedisStore::builder(RedisSource::cluster(cluster.urls())).connect().await.unwrap();
    let warnings = log.events("redis may lose records");
    assert_eq!(warnings.len(), 3, "one a master: {warnings:?}");
    assert!(warnings[0].field("message").contains("validity-factor 0"), "{warnings:?}");
    let strict =
        RedisStore::builder(RedisSource::cluster(cluster.urls())).require_durable().connect().await;
    let error = strict.unwrap_err().to_string();
    assert!(error.contains("validity-factor 0") && error.contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_cluster_whose_first_nodes_are_down_is_found_by_the_others() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    cluster.node(0).kill();
    let new = cluster.wait_for_new_master(0).await;
    assert_ne!(new, 0);
    let store = in_the_end("to connect", || {
        RedisStore::builder(RedisSource::cluster(cluster.urls())).connect()
    })
    .await;
    in_the_end("a reserve", async || Attempt::new().reserve(&store).await).await;
}
