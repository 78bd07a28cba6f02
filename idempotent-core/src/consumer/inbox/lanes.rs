//! [`Lanes`]: the transactions that the messages of one consumer have by themselves, one after the other.
//!
//! As one is committed, the next one begins in the same message to the server, on the same connection, if a message waits for
//! it. That saves a message to the server, the way through the pool with another one, and the look whether somebody has left a
//! transaction open. Now and then the connection goes back to the pool, where others may wait for one.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Transaction as SqlTransaction;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::pool::InboxPool;

/// How many transactions begin where another one was committed, before others get the connection.
const IN_A_ROW: u32 = 31;
/// For how long no more of them begin there.
const LONGEST: Duration = Duration::from_millis(100);

/// As many as the pool has connections.
pub(super) struct Lanes<P: InboxPool> {
    pub(super) pool: P,
    most: usize,
    state: Mutex<State<P>>,
}

struct State<P: InboxPool> {
    taken: usize,
    /// For these there was none.
    waiting: VecDeque<oneshot::Sender<Lane<P>>>,
}

/// The right to have a transaction, which goes to the message that has waited longest when this is dropped.
pub(super) struct Lane<P: InboxPool> {
    lanes: Arc<Lanes<P>>,
    /// One that has begun.
    pub(super) tx: Option<SqlTransaction<'static, P::Database>>,
    /// When the pool gave its connection, and how many transactions have begun on it since.
    since: Instant,
    in_a_row: u32,
}

impl<P: InboxPool> Lanes<P> {
    pub(super) fn of(pool: P) -> Arc<Self> {
        let state = Mutex::new(State { taken: 0, waiting: VecDeque::new() });
        Arc::new(Self { most: pool.transactions(), pool, state })
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is one.
    pub(super) async fn enter(self: &Arc<Self>) -> Lane<P> {
        let (sender, given) = oneshot::channel();
        {
            let mut state = self.state();
            if state.taken < self.most {
                state.taken += 1;
                let lanes = Arc::clone(self);
                return Lane { lanes, tx: None, since: Instant::now(), in_a_row: 0 };
            }
            state.waiting.push_back(sender);
        }
        match given.await {
            Ok(lane) => lane,
            // Whoever waits gets one: a sender that is not used is dropped with these lanes.
            Err(_) => pending().await,
        }
    }

    /// Who has waited longest, and still does. Without anybody, there is one more for those who come.
    fn next(&self) -> Option<oneshot::Sender<Lane<P>>> {
        let mut state = self.state();
        while let Some(waiter) = state.waiting.pop_front() {
            if !waiter.is_closed() {
                return Some(waiter);
            }
        }
        state.taken -= 1;
        None
    }
}

impl<P: InboxPool> Lane<P> {
    /// The pool has been asked for a connection, which may have taken long.
    pub(super) fn begins_anew(&mut self) {
        (self.since, self.in_a_row) = (Instant::now(), 0);
    }

    /// Whether the next transaction is to begin as this one is committed.
    pub(super) fn goes_on(&self) -> bool {
        self.in_a_row < IN_A_ROW
            && self.since.elapsed() < LONGEST
            && self.lanes.state().waiting.iter().any(|waiter| !waiter.is_closed())
    }
}

impl<P: InboxPool> Drop for Lane<P> {
    fn drop(&mut self) {
        let Some(waiter) = self.lanes.next() else { return };
        let next = Self {
            lanes: Arc::clone(&self.lanes),
            tx: self.tx.take(),
            since: self.since,
            in_a_row: self.in_a_row + 1,
        };
        // One that has just gone drops it, for the next one.
        drop(waiter.send(next));
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use sqlx::PgPool;
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    /// A pool with one connection, which nobody asks for it.
    fn one() -> Arc<Lanes<PgPool>> {
        let pool = PgPoolOptions::new().max_connections(1);
        Lanes::of(pool.connect_lazy("postgres://localhost").expect("a URL"))
    }

    #[tokio::test]
    async fn a_lane_goes_to_who_has_waited_longest_and_has_not_gone() {
        let lanes = one();
        let first = lanes.enter().now_or_never().unwrap();
        let mut gone = Box::pin(lanes.enter());
        assert!(gone.as_mut().now_or_never().is_none());
        let (mut second, mut third) = (pin!(lanes.enter()), pin!(lanes.enter()));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(gone);
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        drop(second.now_or_never().unwrap());
        drop(third.now_or_never().unwrap());
        assert!(lanes.enter().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_lane_that_is_given_to_somebody_who_goes_goes_to_the_next() {
        let lanes = one();
        let first = lanes.enter().now_or_never().unwrap();
        let (mut goes, mut next) = (Box::pin(lanes.enter()), pin!(lanes.enter()));
        assert!(goes.as_mut().now_or_never().is_none());
        assert!(next.as_mut().now_or_never().is_none());
        drop(first);
        drop(goes);
        assert!(next.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_transaction_begins_with_the_commit_if_somebody_waits_and_not_too_often() {
        let lanes = one();
        let mut lane = lanes.enter().now_or_never().unwrap();
        assert!(!lane.goes_on(), "nobody waits");
        let mut waiting = pin!(lanes.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(lane.goes_on());
        lane.in_a_row = IN_A_ROW;
        assert!(!lane.goes_on(), "so many are enough");
        tokio::time::advance(LONGEST).await;
        lane.begins_anew();
        assert!(lane.goes_on(), "the pool was asked, and nothing counts that was before");
        tokio::time::advance(LONGEST).await;
        assert!(!lane.goes_on(), "it was long enough");
    }
}
