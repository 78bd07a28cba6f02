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
    /// Who gets the one that begins with the next commit.
    next: Option<oneshot::Sender<Lane<P>>>,
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
                let since = Instant::now();
                return Lane { lanes, tx: None, next: None, since, in_a_row: 0 };
            }
            state.waiting.push_back(sender);
        }
        match given.await {
            Ok(lane) => lane,
            // Whoever waits gets one: a sender that is not used is dropped with these lanes.
            Err(_) => pending().await,
        }
    }

    /// Who has waited longest, and still does.
    fn waiter(&self) -> Option<oneshot::Sender<Lane<P>>> {
        self.state().waiter()
    }

    /// The same. Without anybody, there is one more for those who come.
    fn waiter_or_free(&self) -> Option<oneshot::Sender<Lane<P>>> {
        let mut state = self.state();
        let waiter = state.waiter();
        state.taken -= usize::from(waiter.is_none());
        waiter
    }
}

impl<P: InboxPool> State<P> {
    fn waiter(&mut self) -> Option<oneshot::Sender<Lane<P>>> {
        while let Some(waiter) = self.waiting.pop_front() {
            if !waiter.is_closed() {
                return Some(waiter);
            }
        }
        None
    }
}

impl<P: InboxPool> Lane<P> {
    /// The pool has been asked for a connection, which may have taken long.
    pub(super) fn begins_anew(&mut self) {
        (self.since, self.in_a_row) = (Instant::now(), 0);
    }

    /// Whether the next transaction is to begin as this one is committed. It is reserved for whoever waits now: its `now()` is the
    /// moment the commit is sent, which could lie before something that a later message has already seen.
    pub(super) fn goes_on(&mut self) -> bool {
        if self.next.is_none() && self.in_a_row < IN_A_ROW && self.since.elapsed() < LONGEST {
            self.next = self.lanes.waiter();
        }
        self.next.is_some()
    }
}

impl<P: InboxPool> Drop for Lane<P> {
    fn drop(&mut self) {
        let chosen = self.next.take().filter(|waiter| !waiter.is_closed());
        let tx = self.tx.take().filter(|_| chosen.is_some());
        let Some(waiter) = chosen.or_else(|| self.lanes.waiter_or_free()) else { return };
        let next = Self {
            lanes: Arc::clone(&self.lanes),
            tx,
            next: None,
            since: self.since,
            in_a_row: self.in_a_row + 1,
        };
        // One that has just gone drops it, for another one.
        drop(waiter.send(next));
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;
    use sqlx::PgPool;
    #[cfg(feature = "sqlite")]
    use sqlx::SqlitePool;
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
        lane.in_a_row = IN_A_ROW;
        assert!(!lane.goes_on(), "so many are enough");
        lane.in_a_row = IN_A_ROW - 1;
        tokio::time::advance(LONGEST).await;
        assert!(!lane.goes_on(), "it was long enough");
        lane.in_a_row = IN_A_ROW;
        lane.begins_anew();
        assert!(lane.goes_on(), "the pool was asked, and nothing counts that was before");
    }

    /// One that has begun by the commit before, while somebody waited for the only lane.
    #[cfg(feature = "sqlite")]
    async fn begun(lane: &mut Lane<SqlitePool>) {
        assert!(lane.goes_on());
        lane.tx = Some(SqlitePool::begin(&lane.lanes.pool).await.expect("one in memory"));
    }

    #[cfg(feature = "sqlite")]
    fn one_in_memory() -> Arc<Lanes<SqlitePool>> {
        let pool = SqlitePool::connect_lazy("sqlite::memory:").expect("a URL");
        let state = Mutex::new(State { taken: 0, waiting: VecDeque::new() });
        Arc::new(Lanes { most: 1, pool, state })
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_transaction_that_begins_with_a_commit_is_for_who_waited_when_that_was_sent() {
        let lanes = one_in_memory();
        let mut first = lanes.enter().now_or_never().unwrap();
        let mut waited = Box::pin(lanes.enter());
        assert!(waited.as_mut().now_or_never().is_none());
        begun(&mut first).await;
        let mut comes_later = pin!(lanes.enter());
        assert!(comes_later.as_mut().now_or_never().is_none());
        drop(first);
        let mut second = waited.now_or_never().unwrap();
        assert!(second.tx.take().is_some());
        begun(&mut second).await;
        drop(second);
        assert!(comes_later.now_or_never().unwrap().tx.is_some());
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_transaction_whose_waiter_has_gone_is_for_nobody_who_has_come_since() {
        let lanes = one_in_memory();
        let mut first = lanes.enter().now_or_never().unwrap();
        let mut goes = Box::pin(lanes.enter());
        assert!(goes.as_mut().now_or_never().is_none());
        begun(&mut first).await;
        let mut comes_later = Box::pin(lanes.enter());
        assert!(comes_later.as_mut().now_or_never().is_none());
        drop(goes);
        drop(first);
        let mut second = comes_later.now_or_never().unwrap();
        assert!(second.tx.is_none());
        // The same, once the lane is given.
        let (mut goes, mut last) = (Box::pin(lanes.enter()), Box::pin(lanes.enter()));
        assert!(goes.as_mut().now_or_never().is_none());
        begun(&mut second).await;
        assert!(last.as_mut().now_or_never().is_none());
        drop(second);
        drop(goes);
        assert!(last.now_or_never().unwrap().tx.is_none());
    }
}
