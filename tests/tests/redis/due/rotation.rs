//! A recovery asks one part of a cluster's index after the other, whatever it finds in each.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use idempotent_core::engine::{Recovery, with_engine};
use idempotent_core::store::{Due, DueCalls as _};
use idempotent_core::{Error, Idempotency, Operation};
use idempotent_servers::{Cluster, Server, require};
use idempotent_tests::{SOON, until};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::cluster::connect;

const CALLS: u32 = 40;

fn checkout(order: u32) -> idempotent_core::call::Call<u32, Error> {
    let call = Operation::new("checkout").lease(Duration::from_secs(5)).key(&order);
    call.resume(&order).returning::<Result<u32, Error>>()
}

/// One that has more calls than run at once would keep it from the other fifteen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recovery_takes_one_call_of_every_part_before_it_takes_a_second_of_any() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 0).await;
    let store = connect(&cluster, "idem:").await;
    let pause = Duration::from_millis(20);
    let engine = Idempotency::builder(store.clone()).resume_backoff(pause, pause).build();
    let begun = AtomicU32::new(0);
    let calls = (0..CALLS).map(|order| {
        let call = checkout(order).run(|| {
            begun.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        with_engine(engine.clone(), call)
    });
    // They die once all of them run.
    tokio::select! {
        _ = futures::future::join_all(calls) => unreachable!("none of them ends"),
        () = until(async || begun.load(Ordering::Relaxed) == CALLS) => {}
    }

    let mut parts = HashMap::new();
    let begin = Instant::now();
    while parts.len() < CALLS as usize {
        assert!(begin.elapsed() < Duration::from_secs(60), "only {} calls are due", parts.len());
        tokio::time::sleep(pause).await;
        for part in 0..store.parts() {
            let due = store.due(&Due::new(&["checkout"], 100).part(part)).await.unwrap();
            parts.extend(due.into_iter().map(|call| (call.id, part)));
        }
    }
    let (taken, mut order) = mpsc::unbounded_channel();
    let recovery = Recovery::new(&engine).poll_every(Duration::from_millis(10)).concurrency(1);
    let recovery = recovery.operation("checkout", move |order: u32| {
        taken.send(order).unwrap();
        async move { checkout(order).run(|| async { Ok(1) }).await }
    });
    let recovery = recovery.start().unwrap();
    let with_calls = parts.values().collect::<HashSet<_>>().len();
    let mut seen = HashSet::new();
    for _ in 0..with_calls {
        let next = timeout(SOON, order.recv()).await.unwrap().unwrap();
        let id = engine.record_id("checkout", None, &next).unwrap();
        assert!(seen.insert(parts[&id]), "a second one of part {}", parts[&id]);
    }
    recovery.stop().await;
    assert!(with_calls > 8 && with_calls < CALLS as usize, "{with_calls} parts");
}
