//! A slow body keeps its lease, whatever it does to its thread, its task or its poller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant as Wall};

use futures::stream::{self, StreamExt};
use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{FaultyStore, StoreMethod};
use idempotent_core::{ErrorKind, Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, Log, Runs, call, call_for, engine, millis, secs, settle};
use tokio::time::sleep;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));
/// Its lease is long enough for a machine that stalls.
const SHORT: Operation = CHARGE.lease(secs(3)).guarantee(Guarantee::AtMostOnce);

/// More than two leases of [`SHORT`], so that one renewal is not enough.
const BODY: Duration = secs(7);

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_three_leases_keeps_its_key() {
    let (engine, runs) = (engine(), Runs::new());
    let slow = call_for(&engine, CHARGE, "k", &runs, secs(100));
    for _ in 0..9 {
        sleep(secs(11)).await;
        let refused = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress);
    }
    assert_eq!(slow.await.unwrap().unwrap(), 1);
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_thirds() {
    let store = FaultyStore::new(MemoryStore::new());
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    let slow = call_for(&engine, CHARGE, "k", &runs, secs(95));
    slow.await.unwrap().unwrap();
    assert_eq!(store.calls(StoreMethod::Renew), 9);
}

#[tokio::test(start_paused = true)]
async fn a_finished_call_is_not_renewed() {
    let store = FaultyStore::new(MemoryStore::new());
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    sleep(secs(100)).await;
    assert_eq!(store.calls(StoreMethod::Renew), 0);
}

#[tokio::test(start_paused = true)]
async fn many_reservations_of_different_leases_are_all_renewed() {
    let (engine, runs) = (engine(), Runs::new());
    let leases = (1..=100).map(|lease| (lease, CHARGE.lease(secs(lease))));
    let slow: Vec<_> = leases
        .map(|(lease, operation)| {
            let key = lease.to_string();
            call_for(&engine, operation.guarantee(Guarantee::AtMostOnce), &key, &runs, secs(330))
        })
        .collect();
    sleep(secs(320)).await;
    for lease in 1..=100_u32 {
        let operation = CHARGE.guarantee(Guarantee::AtMostOnce);
        let refused = call(&engine, operation, &lease.to_string(), &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress, "a lease of {lease} s");
    }
    for slow in slow {
        slow.await.unwrap().unwrap();
    }
    assert_eq!(runs.count(), 100);
}

#[tokio::test(start_paused = true)]
async fn max_run_ends_the_renewal() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    let operation = CHARGE.max_run(secs(60));
    let hung = call_for(&engine, operation, "k", &runs, secs(600));
    sleep(secs(59)).await;
    let refused = call(&engine, operation, "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    sleep(secs(32)).await;
    assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 2);
    assert_eq!(log.events("reached its max_run").len(), 1);
    assert_eq!(hung.await.unwrap().unwrap(), 1);
    assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 2);
}

/// How far a body is, as other threads see it.
#[derive(Default)]
struct Course {
    has_begun: AtomicBool,
    has_ended: AtomicBool,
}

impl Course {
    fn begin(&self) {
        self.has_begun.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

/// Looks from another runtime, every 50 ms while the body runs, whether the key is held.
fn is_held_meanwhile(
    store: &MemoryStore,
    body: &Arc<Course>,
) -> thread::JoinHandle<Vec<ErrorKind>> {
    let (engine, body) = (Idempotency::new(store.clone()), Arc::clone(body));
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let mut found = Vec::new();
            while !body.has_begun.load(Ordering::SeqCst) {
                sleep(millis(5)).await;
            }
            loop {
                let refused = call(&engine, SHORT, "k", &Runs::new()).await;
                // This look may have come after the end.
                if body.has_ended.load(Ordering::SeqCst) {
                    break;
                }
                found.push(refused.map_or_else(|refused| refused.kind(), |_| ErrorKind::Decode));
                sleep(millis(50)).await;
            }
            found.dedup();
            found
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_blocks_its_thread_keeps_its_key() {
    let (store, runs) = (MemoryStore::new(), Runs::new());
    let engine = Idempotency::new(store.clone());
    let course = Arc::new(Course::default());
    let looking = is_held_meanwhile(&store, &course);
    let blocking = SHORT.key("k").engine(&engine).returning::<Answer>();
    let blocking = tokio::spawn(blocking.run(move || async move {
        course.begin();
        thread::sleep(BODY);
        course.end();
        Ok(runs.note())
    }));
    assert_eq!(blocking.await.unwrap().unwrap(), 1);
    assert_eq!(looking.join().unwrap(), [ErrorKind::InProgress]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_blocks_its_thread_keeps_its_key_though_every_blocking_thread_is_taken() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let store = MemoryStore::new();
    let engine = Idempotency::new(store.clone());
    // Until the runtime is shut down.
    let (_taken, wait) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || wait.recv());
    let course = Arc::new(Course::default());
    let looking = is_held_meanwhile(&store, &course);
    let blocking = SHORT.key("k").engine(&engine).returning::<Answer>();
    let blocking = runtime.spawn(blocking.run(move || async move {
        course.begin();
        thread::sleep(BODY);
        course.end();
        Ok(1)
    }));
    assert_eq!(blocking.await.unwrap().unwrap(), 1);
    assert_eq!(looking.join().unwrap(), [ErrorKind::InProgress]);
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_spends_its_cooperative_budget_keeps_its_key() {
    let store = MemoryStore::new();
    let engine = Idempotency::new(store.clone());
    let course = Arc::new(Course::default());
    let looking = is_held_meanwhile(&store, &course);
    let busy = SHORT.key("k").engine(&engine).returning::<Answer>();
    let busy = tokio::spawn(busy.run(move || async move {
        course.begin();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let start = Wall::now();
        while start.elapsed() < BODY {
            (0..1000).for_each(|i| sender.send(i).unwrap());
            for _ in 0..1000 {
                receiver.recv().await.unwrap();
            }
            // The other tests need the processor, too.
            thread::sleep(millis(1));
        }
        course.end();
        Ok(1)
    }));
    assert_eq!(busy.await.unwrap().unwrap(), 1);
    assert_eq!(looking.join().unwrap(), [ErrorKind::InProgress]);
}

/// On a runtime of one thread, where the body shares it with the heartbeat.
#[tokio::test]
async fn a_body_that_spends_its_cooperative_budget_keeps_its_key_on_one_thread() {
    let store = MemoryStore::new();
    let engine = Idempotency::new(store.clone());
    let course = Arc::new(Course::default());
    let looking = is_held_meanwhile(&store, &course);
    let busy = SHORT.key("k").engine(&engine).returning::<Answer>();
    let busy = busy.run(move || async move {
        course.begin();
        let semaphore = Arc::new(tokio::sync::Semaphore::new(1));
        let start = Wall::now();
        while start.elapsed() < BODY {
            for _ in 0..1000 {
                drop(semaphore.acquire().await.unwrap());
            }
            // The other tests need the processor, too.
            thread::sleep(millis(1));
        }
        course.end();
        Ok(1)
    });
    assert_eq!(busy.await.unwrap(), 1);
    assert_eq!(looking.join().unwrap(), [ErrorKind::InProgress]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_sits_unpolled_in_a_buffer_keeps_its_key() {
    let (engine, runs) = (engine(), Runs::new());
    let operation = CHARGE.guarantee(Guarantee::AtMostOnce);
    let calls = (0..3).map(|i: u32| {
        let call = operation.key(&i).engine(&engine).returning::<Answer>();
        call.run(|| async {
            sleep(secs(1)).await;
            Ok(runs.note())
        })
    });
    let mut buffered = stream::iter(calls).buffer_unordered(3);
    buffered.next().await.unwrap().unwrap();
    // While the first result is handled, nobody polls the two others.
    for _ in 0..10 {
        sleep(secs(10)).await;
        for key in ["0", "1", "2"] {
            let duplicate = call(&engine, operation, key, &Runs::new()).await;
            let refused =
                duplicate.map_or_else(|refused| refused.kind(), |_| ErrorKind::InProgress);
            assert_eq!(refused, ErrorKind::InProgress, "key {key}");
        }
    }
    assert_eq!(buffered.count().await, 2);
    assert_eq!(runs.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_a_select_stopped_polling_keeps_its_key() {
    let (engine, runs) = (engine(), Runs::new());
    let operation = CHARGE.guarantee(Guarantee::AtMostOnce);
    let slow = operation.key("k").engine(&engine).returning::<Answer>();
    let mut slow = Box::pin(slow.run(|| async {
        sleep(secs(5)).await;
        Ok(runs.note())
    }));
    tokio::select! {
        biased;
        _ = &mut slow => panic!("it takes longer"),
        () = settle() => {}
    }
    sleep(secs(100)).await;
    let refused = call(&engine, operation, "k", &Runs::new()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InProgress);
    assert_eq!(slow.await.unwrap(), 1);
}

#[tokio::test]
async fn a_runtime_that_renews_leases_much_too_late_is_noticed_and_logged() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    let slow = call_for(&engine, CHARGE.lease(secs(6)), "k", &runs, secs(6));
    sleep(millis(100)).await;
    assert_eq!(runs.count(), 1);
    thread::sleep(secs(5));
    slow.await.unwrap().unwrap();
    let late = log.events("leases are renewed late");
    assert_eq!((late.len(), late[0].level), (1, tracing::Level::WARN));
    assert_eq!(late[0].field("leases"), "1");
}
