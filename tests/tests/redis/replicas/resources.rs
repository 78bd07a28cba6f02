//! Primaries that stand still or go away, and stores that are dropped: what piles up, and what ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::store::StoreErrorKind;
use idempotent_servers::{Data, Server, require};
use idempotent_tests::Attempt;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::replica_group::{ReplicaGroup, WITHIN, in_the_end};
use crate::support::PATIENCE;

const CALLS: usize = 2_000;

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_primary_end_in_time_and_leave_nothing_behind() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let response = Duration::from_millis(400);
    let store = group.store(1).response_timeout(response).connect().await.unwrap();
    let store = Arc::new(store);
    Attempt::win_soon(&*store).await;
    let listens = async || {
        let answer = group.primary.cli(&["PUBSUB", "SHARDNUMSUB", "idem:wake"]).await;
        format!("{answer:?}").contains("Int(1)")
    };
    until("it listens", listens).await;
    let before = tasks();
    group.primary.stop_process();
    let mut callers = JoinSet::new();
    for _ in 0..CALLS {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let begin = Instant::now();
            (Attempt::new().reserve(&*store).await, begin.elapsed())
        });
    }
    // Its time for an answer, and for replicas twice; the rest is for a slow machine. One after the other, they would take
    // ten minutes.
    let bound = response + WITHIN * 2 + Duration::from_secs(10);
    for (answer, took) in callers.join_all().await {
        let error = answer.unwrap_err();
        let is_passing =
            matches!(error.kind(), StoreErrorKind::Timeout | StoreErrorKind::Unavailable);
        assert!(is_passing && took < bound, "{error:?} after {took:?}");
    }
    group.primary.resume();
    in_the_end("a reserve", async || Attempt::new().reserve(&*store).await).await;
    until("the tasks end", async || tasks() <= before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_restarts_is_found_again() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect(1).await;
    Attempt::win_soon(&store).await;
    group.primary.kill();
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    group.primary.restart(Data::Keep).await;
    in_the_end("a reserve", async || Attempt::new().reserve(&store).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_costs_callers_nothing() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    for _ in 0..5 {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        group.primary.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        attempt.record(&store, &reservation, b"result").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_store_leaves_neither_tasks_nor_connections() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let connections = async || {
        let clients = group.primary.cli(&["CLIENT", "LIST", "TYPE", "normal"]).await;
        clients.text().unwrap().lines().count()
    };
    let (tasks_before, connections_before) = (tasks(), connections().await);
    let store = group.connect(1).await;
    Attempt::win_soon(&store).await;
    assert!(tasks() > tasks_before && connections().await > connections_before);
    drop(store);
    until("the tasks end", async || tasks() <= tasks_before).await;
    until("the connections end", async || connections().await <= connections_before).await;
}

/// The lane ends with the runtime that it was started in.
#[test]
fn another_runtime_has_a_lane_of_its_own() {
    require!(Server::Redis);
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let first = runtime();
    let (group, store) = first.block_on(async {
        let group = ReplicaGroup::start(1).await;
        let store = group.connect(1).await;
        Attempt::win_soon(&store).await;
        (group, store)
    });
    drop(first);
    runtime().block_on(async {
        in_the_end("a reserve", async || Attempt::new().reserve(&store).await).await;
        drop(group);
    });
}
