//! What `testing::crash` runs dies as a process does: nothing goes on, and nothing is dropped.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::testing::{self, StoreMethod, TestEngine};
use idempotent_core::{Error, ErrorKind, idempotent};
use tokio::sync::Notify;

/// Says so when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[idempotent(key = order, name = "stuck", lease = "300ms")]
async fn stuck(order: u32, dropped: Arc<AtomicBool>, runs: Arc<AtomicUsize>) -> Result<u32, Error> {
    let _held = Dropped(dropped);
    runs.fetch_add(1, Ordering::SeqCst);
    if order == 7 {
        pending::<()>().await;
    }
    Ok(order)
}

#[idempotent(key = order, name = "detached", detach)]
async fn detached(order: u32, go_on: Arc<Notify>, runs: Arc<AtomicUsize>) -> Result<u32, Error> {
    go_on.notified().await;
    runs.fetch_add(1, Ordering::SeqCst);
    Ok(order)
}

fn reserved(test: &TestEngine) -> impl Future<Output = ()> + use<> {
    test.store().until_answered(StoreMethod::Reserve, 1)
}

#[tokio::test]
async fn what_dies_releases_nothing_and_drops_nothing() {
    let test = testing::engine();
    let (dropped, runs) = (Arc::default(), Arc::<AtomicUsize>::default());
    test.run(async {
        let process = stuck(7, Arc::clone(&dropped), Arc::clone(&runs));
        assert!(testing::crash(process).when(reserved(&test)).await.is_none());
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        let error = stuck(7, Arc::clone(&dropped), runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InProgress, "its key is reserved and not held");
    })
    .await;
    assert!(!dropped.load(Ordering::SeqCst));
    assert_eq!(test.store().calls(StoreMethod::Release), 0);
    assert_eq!(test.store().calls(StoreMethod::Abandon), 0);
}

#[tokio::test]
async fn a_future_that_is_dropped_is_no_crash() {
    let test = testing::engine();
    let dropped = Arc::default();
    let call = tokio::spawn(test.run(stuck(7, Arc::clone(&dropped), Arc::default())));
    reserved(&test).await;
    call.abort();
    let _ = call.await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn the_dead_renew_no_lease() {
    let test = testing::engine();
    let process = stuck(7, Arc::default(), Arc::default());
    let ended = test.run(async { testing::crash(process).when(reserved(&test)).await }).await;
    assert!(ended.is_none());
    // A call that lives renews its lease three times by then.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(test.store().calls(StoreMethod::Renew), 0);

    let test = testing::engine();
    let call = tokio::spawn(test.run(stuck(7, Arc::default(), Arc::default())));
    test.store().until_called(StoreMethod::Renew, 1).await;
    call.abort();
}

#[tokio::test]
async fn tasks_and_detached_bodies_die_with_their_process() {
    let test = testing::engine();
    let (go_on, runs) = (Arc::new(Notify::new()), Arc::<AtomicUsize>::default());
    let ticks = Arc::<AtomicUsize>::default();
    test.run(async {
        let process = {
            let (go_on, runs, ticks, test) =
                (Arc::clone(&go_on), Arc::clone(&runs), Arc::clone(&ticks), test.clone());
            async move {
                tokio::spawn(async move {
                    loop {
                        ticks.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                });
                tokio::spawn(test.run(detached(7, go_on, runs)));
                reserved(&test).await;
                "dead"
            }
        };
        assert_eq!(testing::crash(process).await, "dead");
    })
    .await;
    let seen = ticks.load(Ordering::SeqCst);
    assert!(seen > 0);
    go_on.notify_one();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((ticks.load(Ordering::SeqCst), runs.load(Ordering::SeqCst)), (seen, 0));
}

#[tokio::test]
async fn a_process_that_ends_before_its_moment_has_an_output() {
    let test = testing::engine();
    let process = stuck(8, Arc::default(), Arc::default());
    let output = test.run(async { testing::crash(process).when(pending::<()>()).await }).await;
    assert_eq!(output.unwrap().unwrap(), 8);
}

#[tokio::test]
async fn a_moment_that_is_over_leaves_nothing_to_run() {
    let runs = Arc::<AtomicUsize>::default();
    let process = stuck(8, Arc::default(), Arc::clone(&runs));
    assert!(testing::crash(process).when(async {}).await.is_none());
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

#[tokio::test]
#[should_panic(expected = "the body has a fault")]
async fn a_panic_is_the_tests_own() {
    testing::crash(async { panic!("the body has a fault") }).await;
}

#[tokio::test(start_paused = true)]
async fn time_that_is_paused_stands_still_while_it_runs() {
    let before = tokio::time::Instant::now();
    let crashed = testing::crash(async { tokio::time::sleep(Duration::from_millis(20)).await });
    let crashed = async { crashed.await };
    tokio::time::timeout(Duration::from_secs(3600), crashed).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
}
