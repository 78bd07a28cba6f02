//! Calls share their waits.

use std::sync::Arc;

use idempotent_servers::{Server, require};
use idempotent_tests::Attempt;
use tokio::task::JoinSet;

use super::replica_group::ReplicaGroup;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_wait_together() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = Arc::new(group.connect_patiently(1).await);
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for _ in 0..20 {
                let attempt = Attempt::new();
                let reservation = attempt.win(&*store).await;
                attempt.record(&*store, &reservation, b"result").await;
            }
        });
    }
    tasks.join_all().await;
    let waits = group.calls("wait").await;
    let writes = group.calls("evalsha").await + 64 * 20;
    assert!(writes >= 2 * 64 * 20, "{writes} writes");
    assert!(waits > 0 && waits * 8 < writes, "{waits} waits for {writes} writes");
}

#[tokio::test]
async fn one_call_is_one_wait() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = group.connect_patiently(1).await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    assert_eq!(group.calls("wait").await, 1);
    attempt.record(&store, &reservation, b"").await;
    // A server that does not know the script yet is sent it, and waits for nothing in between.
    let waits = group.calls("wait").await;
    assert!((2..=3).contains(&waits), "{waits}");
    for _ in 0..5 {
        attempt.reserve(&store).await.unwrap();
    }
    assert_eq!(group.calls("wait").await, waits + 5);
}
