//! What it costs to wait for a replica: printed, not judged.
//!
//! `cargo test --release -p idempotent-tests --test redis_replicas -- --ignored --nocapture cost`

use std::sync::Arc;
use std::time::Instant;

use idempotent_core::store::RedisStore;
use idempotent_servers::{Flavor, Server, require};
use tokio::task::JoinSet;

use crate::group::Group;
use crate::shop::Attempt;

/// Microseconds for each reserve and complete, by so many tasks at once.
async fn measure(store: &Arc<RedisStore>, tasks: usize) -> u128 {
    let each = 4_000 / tasks;
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..tasks {
        let store = Arc::clone(store);
        callers.spawn(async move {
            for _ in 0..each {
                let attempt = Attempt::new();
                let reservation = attempt.win(&*store).await;
                attempt.record(&*store, &reservation, b"result").await;
            }
        });
    }
    callers.join_all().await;
    begin.elapsed().as_micros() / (tasks * each) as u128
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost() {
    require!(Server::Redis, Server::Valkey91);
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let group = Group::of(flavor, 1).await;
        let none = Arc::new(RedisStore::connect(group.primary.url()).await.unwrap());
        let one = Arc::new(group.connect(1).await);
        for round in 1..=3 {
            for tasks in [1, 64] {
                let (none, one) = (measure(&none, tasks).await, measure(&one, tasks).await);
                println!(
                    "{flavor:?} round {round}, {tasks} tasks: {none} µs, with 1 replica {one} µs"
                );
            }
        }
    }
}
