//! Processes that crash at a call of the store: its runtime goes, with every task of its own. What
//! the next process finds, before the lease lapses and after.

use std::sync::Arc;

use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{Fault, FaultyStore, ManualClock, StoreMethod, When};
use idempotent_core::{Idempotency, Operation};
use idempotent_tests::{Fail, Runs, call, millis, secs};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use super::{AT_LEAST_ONCE, End, ONCE, end};

fn process() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What the next process is answered before the lease lapses, and after, and how often the body ran
/// in both together.
fn next(
    store: &MemoryStore,
    clock: &ManualClock,
    operation: Operation,
    runs: &Runs,
) -> (End, End, usize) {
    let engine = Idempotency::new(store.clone());
    let ask = || end(process().block_on(call(&engine, operation, "k", runs)));
    let before = ask();
    clock.advance(secs(31));
    (before, ask(), runs.count())
}

/// Crashes while `at` hangs: before it was done ([`Fault::Hang`]) or after ([`Fault::HangAfter`]).
fn crash(
    at: StoreMethod,
    fault: Fault,
    operation: Operation,
    body: Result<(), Fail>,
) -> (End, End, usize) {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    let (first, runs) = (process(), Runs::new());
    first.block_on(async {
        let faulty = FaultyStore::new(store.clone()).on(at, When::Nth(1), fault);
        let engine = Idempotency::new(faulty);
        let dying = operation.key("k").engine(&engine).returning::<Result<usize, Fail>>();
        let run = dying.run(|| async {
            runs.note();
            sleep(millis(u64::from(at == StoreMethod::Renew) * 60_000)).await;
            body.map(|()| 1)
        });
        timeout(millis(10_001 * u64::from(at == StoreMethod::Renew) + 1), run).await.unwrap_err();
    });
    drop(first);
    next(&store, &clock, operation, &runs)
}

const RUNNING: End = Err("in_progress");
const UNKNOWN: End = Err("indeterminate");

#[test]
fn crashed_before_its_reserve_arrived_a_call_has_left_nothing() {
    let at = |operation| crash(StoreMethod::Reserve, Fault::Hang, operation, Ok(()));
    assert_eq!(at(AT_LEAST_ONCE), (Ok(1), Ok(1), 1));
    assert_eq!(at(ONCE), (Ok(1), Ok(1), 1));
}

#[test]
fn crashed_after_its_reserve_arrived_a_call_leaves_a_reservation_that_lapses() {
    let at = |operation| crash(StoreMethod::Reserve, Fault::HangAfter, operation, Ok(()));
    assert_eq!(at(AT_LEAST_ONCE), (RUNNING, Ok(1), 1));
    assert_eq!(at(ONCE), (RUNNING, UNKNOWN, 0));
}

#[test]
fn crashed_in_its_body_while_it_was_renewed_a_call_leaves_a_reservation_that_lapses() {
    for fault in [Fault::Hang, Fault::HangAfter] {
        let at = |operation| crash(StoreMethod::Renew, fault, operation, Ok(()));
        assert_eq!(at(AT_LEAST_ONCE), (RUNNING, Ok(2), 2));
        assert_eq!(at(ONCE), (RUNNING, UNKNOWN, 1));
    }
}

#[test]
fn crashed_before_its_complete_arrived_a_call_leaves_a_reservation_that_lapses() {
    let at = |operation| crash(StoreMethod::Complete, Fault::Hang, operation, Ok(()));
    assert_eq!(at(AT_LEAST_ONCE), (RUNNING, Ok(2), 2));
    assert_eq!(at(ONCE), (RUNNING, UNKNOWN, 1));
}

#[test]
fn crashed_after_its_complete_arrived_a_call_is_recorded() {
    let at = |operation| crash(StoreMethod::Complete, Fault::HangAfter, operation, Ok(()));
    assert_eq!(at(AT_LEAST_ONCE), (Ok(1), Ok(1), 1));
    assert_eq!(at(ONCE), (Ok(1), Ok(1), 1));
}

#[test]
fn crashed_before_its_release_arrived_a_call_leaves_a_reservation_that_lapses() {
    let at = |operation| crash(StoreMethod::Release, Fault::Hang, operation, Err(Fail::Invalid));
    assert_eq!(at(AT_LEAST_ONCE), (RUNNING, Ok(2), 2));
    assert_eq!(at(ONCE), (RUNNING, UNKNOWN, 1));
}

#[test]
fn crashed_after_its_release_arrived_a_call_has_left_nothing() {
    let at =
        |operation| crash(StoreMethod::Release, Fault::HangAfter, operation, Err(Fail::Invalid));
    assert_eq!(at(AT_LEAST_ONCE), (Ok(2), Ok(2), 2));
    assert_eq!(at(ONCE), (Ok(2), Ok(2), 2));
}

#[test]
fn crashed_while_it_waited_a_call_has_touched_nothing() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    let home = process();
    let in_home = home.enter();
    let running = idempotent_tests::call_for(&engine, ONCE, "k", &runs, secs(10));
    drop(in_home);
    home.block_on(idempotent_tests::settle());
    let waiter = process();
    waiter.block_on(async {
        let waiter = Idempotency::new(store.clone());
        timeout(secs(1), call(&waiter, ONCE.wait(secs(60)), "k", &runs)).await.unwrap_err();
    });
    drop(waiter);
    assert_eq!(end(home.block_on(running).unwrap()), Ok(1));
    assert_eq!(next(&store, &clock, ONCE, &runs), (Ok(1), Ok(1), 1));
}
