//! A server that stands still, and ten thousand callers: what piles up meanwhile. A program of its
//! own, since it measures what its process holds.

// Clippy knows tests by their attribute, and so not the functions that they share.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use idempotent_core::backends::RedisStore;
use idempotent_core::store::StoreErrorKind;
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::{Attempt, until};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

const CALLS: usize = 10_000;
const TIMEOUT: Duration = Duration::from_millis(500);
const MEBIBYTE: usize = 1 << 20;

/// What the process holds in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Ten thousand callers at once; how long the last of them waited for its error.
async fn rush(store: &Arc<RedisStore>) -> Duration {
    let begin = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLS {
        let store = store.clone();
        callers.spawn(async move { Attempt::new().reserve(&*store).await });
    }
    for answer in callers.join_all().await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
    }
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_to_a_frozen_server_end_in_time_and_leave_nothing_behind() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let builder = RedisStore::builder(server.url()).response_timeout(TIMEOUT);
    let store = Arc::new(builder.connect_with_retry(Duration::from_secs(20)).await.unwrap());
    Attempt::win_soon(&*store).await;
    // The subscription's tasks run by then.
    until(async || {
        let listeners = server.cli(&["PUBSUB", "SHARDNUMSUB", "idem:wake"]).await;
        format!("{listeners:?}").contains("Int(1)")
    })
    .await;
    let tasks_before = tasks();

    server.stop_process();
    // The first rush pays for what the callers themselves hold.
    let first = rush(&store).await;
    let before = resident();
    let mut longest = first;
    for _ in 0..6 {
        longest = longest.max(rush(&store).await);
    }
    let grown = resident().saturating_sub(before);
    println!("longest {longest:?}, {} KiB grown, {} tasks", grown / 1024, tasks());
    // Far less than callers who queue for their turns would take.
    assert!(longest < Duration::from_secs(20), "{longest:?}");
    assert!(grown < 16 * MEBIBYTE, "{grown} bytes after {} calls", 6 * CALLS);
    assert!(tasks() <= tasks_before + 4, "{} tasks, before: {tasks_before}", tasks());

    server.resume();
    let begin = Instant::now();
    while Attempt::new().reserve(&*store).await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the store does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..100 {
        Attempt::win_soon(&*store).await;
    }
    until(async || tasks() <= tasks_before + 4).await;
}
