//! Faults of `wait`: a waiter gets its turn within its time all the same.

use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_tests::{Runs, call, call_for, secs, settle};
use tokio::time::{Duration, Instant};

use super::{ONCE, end, faulty};

/// A waiter on a call of ten seconds, whose every wait meets a fault, gets its result `late`.
async fn ends_at_most(late: Duration, fault: Fault) {
    for when in [When::Nth(1), When::Always] {
        let ((engine, _), runs) = (faulty(StoreMethod::Wait, when, fault), Runs::new());
        let first = call_for(&engine, ONCE, "k", &runs, secs(10));
        settle().await;
        let start = Instant::now();
        assert_eq!(end(call(&engine, ONCE.wait(secs(60)), "k", &runs).await), Ok(1), "{fault:?}");
        assert!(start.elapsed() <= secs(10) + late, "{fault:?}: {:?}", start.elapsed());
        assert_eq!(end(first.await.unwrap()), Ok(1));
        assert_eq!(runs.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wait_fails_looks_again_soon() {
    ends_at_most(secs(1), Fault::Fail).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wakes_are_lost_looks_again_soon() {
    ends_at_most(secs(1), Fault::LoseAnswer).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wait_hangs_looks_again_when_the_lease_could_lapse() {
    ends_at_most(secs(21), Fault::Hang).await;
    ends_at_most(secs(21), Fault::HangAfter).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wait_is_slow_is_as_late() {
    ends_at_most(secs(4), Fault::Delay(secs(3))).await;
    ends_at_most(secs(4), Fault::DelayAnswer(secs(3))).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wait_is_asked_twice_gets_its_turn() {
    ends_at_most(secs(1), Fault::Repeat).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_wait_hangs_ends_within_its_time() {
    for fault in [Fault::Hang, Fault::HangAfter, Fault::Fail, Fault::Delay(secs(60))] {
        let ((engine, _), runs) = (faulty(StoreMethod::Wait, When::Always, fault), Runs::new());
        let first = call_for(&engine, ONCE, "k", &runs, secs(100));
        settle().await;
        let start = Instant::now();
        let refused = end(call(&engine, ONCE.wait(secs(7)), "k", &runs).await);
        assert_eq!((refused, start.elapsed()), (Err("in_progress"), secs(7)), "{fault:?}");
        first.abort();
    }
}
