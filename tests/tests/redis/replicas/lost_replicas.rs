//! Replicas that are cut off, frozen or dead.

use std::time::{Duration, Instant};

use idempotent_core::backends::RedisStore;
use idempotent_core::store::{
    CompleteOutcome, RenewOutcome, ReserveOutcome, State, Store, StoreError,
};
use idempotent_servers::{Data, Flavor, Server, require};
use idempotent_tests::Attempt;

use super::replica_group::{ReplicaGroup, WITHIN, assert_short, in_the_end};
use crate::support::PATIENCE;

/// A call that has to fail for want of replicas, when they had their time and not for ever.
async fn falls_short<T: std::fmt::Debug>(
    call: impl AsyncFn() -> Result<T, StoreError>,
    acknowledged: usize,
    wanted: usize,
) {
    let begin = Instant::now();
    let error = call().await.unwrap_err();
    let took = begin.elapsed();
    assert_short(&error, acknowledged, wanted);
    assert!(took >= WITHIN && took < PATIENCE, "{took:?}");
}

async fn without_replicas_nothing_is_promised(group: &ReplicaGroup) {
    let (store, patient) = (group.connect(1).await, group.connect_patiently(1).await);
    let before = Attempt::new();
    let reservation = before.win(&patient).await;
    group.leave(0).await;

    let attempt = Attempt::new();
    let request = attempt.request();
    falls_short(async || store.reserve(&request).await, 0, 1).await;
    falls_short(async || before.complete(&store, &reservation, b"result").await, 0, 1).await;
    // What stands there already is no reason to promise it.
    falls_short(async || store.reserve(&request).await, 0, 1).await;
    falls_short(async || before.complete(&store, &reservation, b"result").await, 0, 1).await;

    group.join(0).await;
    group.wait_for(1).await;
    let won = in_the_end("a reserve", async || store.reserve(&request).await).await;
    assert!(matches!(won, ReserveOutcome::Won), "{won:?}");
    before.record(&patient, &reservation, b"result").await;
}

#[tokio::test]
async fn by_script_nothing_is_promised_without_replicas() {
    require!(Server::Redis);
    without_replicas_nothing_is_promised(&ReplicaGroup::start(1).await).await;
}

#[tokio::test]
async fn by_ifeq_nothing_is_promised_without_replicas() {
    require!(Server::Valkey91);
    without_replicas_nothing_is_promised(&ReplicaGroup::of(Flavor::Valkey91, 1).await).await;
}

#[tokio::test]
async fn a_replica_that_froze_acknowledges_nothing_until_it_goes_on() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let (store, patient) = (group.connect(1).await, group.connect_patiently(1).await);
    group.replicas[0].stop_process();
    let attempt = Attempt::new();
    let request = attempt.request();
    falls_short(async || store.reserve(&request).await, 0, 1).await;
    group.replicas[0].resume();
    let won = in_the_end("a reserve", async || store.reserve(&request).await).await;
    assert!(matches!(won, ReserveOutcome::Won), "{won:?}");
    attempt.record(&patient, request.record(), b"result").await;
}

#[tokio::test]
async fn a_replica_that_died_is_missed_until_it_is_back() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(3).await;
    let store = group.connect(3).await;
    Attempt::win_soon(&store).await;
    group.replicas[1].kill();
    let attempt = Attempt::new();
    let request = attempt.request();
    falls_short(async || store.reserve(&request).await, 2, 3).await;
    group.replicas[1].restart(Data::Drop).await;
    group.join(1).await;
    in_the_end("a reserve", async || store.reserve(&request).await).await;
}

/// A store that has just found out that the replicas are missing.
async fn in_need(group: &ReplicaGroup, within: Duration) -> RedisStore {
    let store = group.store(1).min_replicas(1, within).connect().await.unwrap();
    group.leave(0).await;
    Attempt::new().reserve(&store).await.unwrap_err();
    store
}

#[tokio::test]
async fn while_replicas_are_missing_results_replay_and_at_once() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    let (completed, running) = (Attempt::new(), Attempt::at_most_once());
    let reservation = completed.win(&store).await;
    completed.record(&store, &reservation, b"result").await;
    running.win(&store).await;
    drop(store);
    // Whoever waited for them would do so for longer than all of these calls take.
    let within = Duration::from_secs(5);
    let store = in_need(&group, within).await;
    let begin = Instant::now();
    for _ in 0..10 {
        let ReserveOutcome::Taken(entry) = completed.reserve(&store).await.unwrap() else {
            panic!("a completed id was won");
        };
        assert_eq!(entry.record, reservation.completed(b"result"));
        let ReserveOutcome::Taken(entry) = running.reserve(&store).await.unwrap() else {
            panic!("a reserved id was won");
        };
        assert_eq!(entry.state, State::Reserved);
    }
    assert!(begin.elapsed() < within, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn while_replicas_are_missing_leases_are_renewed_and_keys_released() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        let reservation = attempt.win(&store).await;
        group.leave(0).await;
        let renewed = attempt.renew(&store, &reservation).await.unwrap();
        assert_eq!(renewed, RenewOutcome::Renewed);
        attempt.release(&store, &reservation).await.unwrap();
        assert!(store.load(&attempt.id).await.unwrap().is_none());
        group.join(0).await;
        group.wait_for(1).await;
    }
}

#[tokio::test]
async fn somebody_elses_result_is_told_without_replicas() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let alone = RedisStore::builder(group.primary.url())
        .connect_with_retry(Duration::from_secs(20))
        .await
        .unwrap();
    let store = group.connect_patiently(1).await;
    let attempt = Attempt::new();
    let late = attempt.win(&store).await;
    attempt.release(&store, &late).await.unwrap();
    group.leave(0).await;
    let successor = attempt.win(&alone).await;
    attempt.record(&alone, &successor, b"theirs").await;
    let outcome = attempt.complete(&store, &late, b"mine").await.unwrap();
    let CompleteOutcome::Superseded(entry) = outcome else { panic!("{outcome:?}") };
    assert_eq!(entry.record, successor.completed(b"theirs"));
}

/// A frozen replica makes one batch wait, and the caller behind it goes away meanwhile.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_written() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.store(1).min_replicas(1, Duration::from_secs(3)).connect().await.unwrap();
    group.replicas[0].stop_process();
    let (first, second) = (Attempt::new(), Attempt::new());
    let waiting = async { first.reserve(&store).await.unwrap_err() };
    let impatient = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let reserve = second.reserve(&store);
        tokio::time::timeout(Duration::from_millis(50), reserve).await.unwrap_err();
    };
    tokio::join!(waiting, impatient);
    // Whatever was queued behind it has had its turn.
    Attempt::new().reserve(&store).await.unwrap_err();
    assert!(store.load(&first.id).await.unwrap().is_some());
    assert!(store.load(&second.id).await.unwrap().is_none());
    group.replicas[0].resume();
}
