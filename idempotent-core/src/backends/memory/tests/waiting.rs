//! Waiting for a running call, and what wakes the waiters.

use std::task::{Context, Waker};

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

const LONG: Duration = Duration::from_secs(86_400);

impl Fixture {
    /// A task that waits for the reservation to end.
    async fn waiting(&self, id: &RecordId, reservation: &Record) -> tokio::task::JoinHandle<()> {
        let (store, id, token) = (self.store.clone(), id.clone(), reservation.token());
        let task = tokio::spawn(async move {
            store.wait(&Wait::new(&id, token, LONG)).await.unwrap();
        });
        tokio::task::yield_now().await;
        assert!(!task.is_finished());
        task
    }

    fn waiters(&self, id: &RecordId) -> usize {
        let locked = self.store.records().unfinished.lock(id.hash());
        locked.slot().map_or(0, |slot| slot.waiters.len())
    }
}

/// Waits for the task, for less time than any fallback poll or the lease takes.
async fn woken(task: tokio::task::JoinHandle<()>) {
    let soon = Duration::from_secs(5);
    tokio::time::timeout(soon, task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn completing_releasing_and_purging_wake_who_waits() {
    for end in 0..3 {
        let f = Fixture::new();
        let id = id(1);
        let reservation = f.won(&id, AtMostOnce).await;
        let waiting = f.waiting(&id, &reservation).await;
        let start = tokio::time::Instant::now();
        match end {
            0 => drop(f.complete(&id, &reservation, b"result").await),
            1 => f.release(&id, &reservation).await,
            _ => assert!(f.store.purge(&id).await.unwrap()),
        }
        woken(waiting).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn the_lapse_of_the_lease_wakes_who_waits_by_the_stores_clock() {
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let f = Fixture::new();
        let id = id(1);
        let reservation = f.won(&id, guarantee).await;
        let waiting = f.waiting(&id, &reservation).await;

        f.clock.advance(LEASE - Duration::from_nanos(1));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());

        f.clock.advance(Duration::from_nanos(1));
        woken(waiting).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_lease_is_waited_for_anew() {
    let f = Fixture::new();
    let id = id(1);
    let reservation = f.won(&id, AtLeastOnce).await;
    let waiting = f.waiting(&id, &reservation).await;
    f.clock.advance(LEASE / 2);
    f.renew(&id, &reservation).await;

    f.clock.advance(LEASE / 2);
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert_eq!(f.waiters(&id), 1);

    f.clock.advance(LEASE / 2);
    woken(waiting).await;
}

#[tokio::test(start_paused = true)]
async fn the_default_clock_lets_a_lease_lapse_in_paused_time() {
    let store = MemoryStore::new();
    let id = id(1);
    let request = reserve(&id, AtLeastOnce);
    store.reserve(&request).await.unwrap();
    let start = tokio::time::Instant::now();

    store.wait(&Wait::new(&id, request.token(), LONG)).await.unwrap();

    let waited = start.elapsed();
    assert!(waited >= LEASE && waited < LEASE + Duration::from_millis(5), "{waited:?}");
    assert_eq!(store.load(&id).await.unwrap().unwrap().state, State::Lapsed);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_timeout_and_touches_nothing() {
    let f = Fixture::new();
    let id = id(1);
    let reservation = f.won(&id, AtLeastOnce).await;
    let start = tokio::time::Instant::now();
    let timeout = Duration::from_secs(7);

    let wait = Wait::new(&id, reservation.token(), timeout);
    f.store.wait(&wait).await.unwrap();

    assert_eq!(start.elapsed(), timeout);
    assert_eq!(f.waiters(&id), 0);
    assert_eq!(f.load(&id).await.unwrap().remaining, Some(LEASE));
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_wait_for_without_a_running_call_of_that_token() {
    let f = Fixture::new();
    let (id, start) = (id(1), tokio::time::Instant::now());
    let absent = Wait::new(&id, Token::random(), LONG);
    f.store.wait(&absent).await.unwrap();
    let reservation = f.won(&id, AtMostOnce).await;
    f.store.wait(&absent).await.unwrap();
    f.complete(&id, &reservation, b"result").await;
    let own = Wait::new(&id, reservation.token(), LONG);
    f.store.wait(&own).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_dropped_waiter_leaves_no_waker_behind() {
    let f = Fixture::new();
    let id = id(1);
    let reservation = f.won(&id, AtLeastOnce).await;
    let wait = Wait::new(&id, reservation.token(), LONG);
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut kept = f.store.wait(&wait);
        assert!(kept.as_mut().poll(&mut context).is_pending());
        let mut dropped = f.store.wait(&wait);
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        assert!(dropped.as_mut().poll(&mut context).is_pending());
        assert_eq!(f.waiters(&id), 2);
        drop(dropped);
        assert_eq!(f.waiters(&id), 1);
    }
    assert_eq!(f.waiters(&id), 0);
}
