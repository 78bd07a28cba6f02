//! The waiters of this process. All waiters for one reservation form a group, and one task polls the
//! store for all of them.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::hash::Hash;
use crate::model::Token;

/// All waiters of one store in this process.
#[derive(Default)]
pub(in crate::backends) struct Waiters(Mutex<HashMap<Hash, Vec<Arc<WaiterGroup>>>>);

/// Wakes all waiters for one reservation.
pub(in crate::backends) struct WaiterGroup {
    token: Token,
    woken: watch::Sender<()>,
    /// Somebody joined: the poller should look again now.
    joined: Notify,
}

/// One waiter.
pub(in crate::backends) struct Waiter(watch::Receiver<()>);

/// The task that polls on behalf of one group of waiters. When it ends, however it ends, they wake.
pub(in crate::backends) struct Poller {
    waiters: Arc<Waiters>,
    hash: Hash,
    group: Arc<WaiterGroup>,
}

impl Waiters {
    /// Adds a waiter. The first one of a group also gets the poller, and must run it.
    pub(in crate::backends) fn join(
        self: &Arc<Self>,
        hash: Hash,
        token: Token,
    ) -> (Waiter, Option<Poller>) {
        let mut groups = self.lock();
        let here = groups.entry(hash).or_default();
        if let Some(group) = here.iter().find(|group| group.token == token) {
            group.joined.notify_one();
            return (Waiter(group.woken.subscribe()), None);
        }
        let (woken, waiter) = watch::channel(());
        let group = Arc::new(WaiterGroup { token, woken, joined: Notify::new() });
        here.push(Arc::clone(&group));
        let poller = Poller { waiters: Arc::clone(self), hash, group };
        (Waiter(waiter), Some(poller))
    }

    /// Wakes everybody who waits for an id.
    pub(in crate::backends) fn wake(&self, hash: &Hash) {
        // Woken without the lock: wakers are somebody else's code.
        let here = self.lock().get(hash).cloned();
        here.into_iter().flatten().for_each(|group| group.wake());
    }

    /// Makes every poller look now: calls may have ended without a notification.
    #[cfg(feature = "postgres")]
    pub(in crate::backends) fn poll_now(&self) {
        self.lock().values().flatten().for_each(|group| group.joined.notify_one());
    }

    /// The ids that somebody waits for.
    #[cfg(feature = "redis")]
    pub(in crate::backends) fn awaited(&self) -> Vec<Hash> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Vec<Arc<WaiterGroup>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(
        groups: &mut HashMap<Hash, Vec<Arc<WaiterGroup>>>,
        hash: &Hash,
        gone: &Arc<WaiterGroup>,
    ) {
        if let Some(here) = groups.get_mut(hash) {
            here.retain(|group| !Arc::ptr_eq(group, gone));
            if here.is_empty() {
                groups.remove(hash);
                if groups.capacity() > 64 && groups.len() < groups.capacity() / 8 {
                    groups.shrink_to(groups.len() * 2);
                }
            }
        }
    }
}

impl WaiterGroup {
    fn wake(&self) {
        self.woken.send_replace(());
    }
}

impl Waiter {
    /// Returns when the group is woken, or when nobody polls for it any more.
    pub(in crate::backends) async fn woken(mut self) {
        let _ = self.0.changed().await;
    }
}

impl Poller {
    #[cfg(feature = "redis")]
    pub(in crate::backends) const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Pauses before the next look, at most until somebody joins or nobody waits any more.
    pub(in crate::backends) async fn rest(&self, pause: Duration) {
        let group = &self.group;
        let ends: [Pin<&mut (dyn Future<Output = ()> + Send)>; 3] =
            [pin!(sleep(pause)), pin!(group.joined.notified()), pin!(group.woken.closed())];
        first_of(ends).await;
    }

    /// Whether nobody waits any more. If so, the group is removed, and nobody can join it.
    pub(in crate::backends) fn is_deserted(&self) -> bool {
        let mut groups = self.waiters.lock();
        let deserted = self.group.woken.receiver_count() == 0;
        if deserted {
            Waiters::remove(&mut groups, &self.hash, &self.group);
        }
        deserted
    }
}

impl Drop for Poller {
    fn drop(&mut self) {
        Waiters::remove(&mut self.waiters.lock(), &self.hash, &self.group);
        self.group.wake();
    }
}

/// Returns when the first of them does.
async fn first_of<const N: usize>(mut ends: [Pin<&mut (dyn Future<Output = ()> + Send)>; N]) {
    poll_fn(|cx| {
        let over = ends.iter_mut().any(|end| end.as_mut().poll(cx).is_ready());
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(1);

    fn waiters() -> (Arc<Waiters>, Token) {
        (Arc::default(), Token::random())
    }

    async fn is_woken(waiter: Waiter) -> bool {
        timeout(SOON, waiter.woken()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiter_for_an_id_wakes_and_no_other() {
        let (waiters, token) = waiters();
        let (one, _poller) = waiters.join([1; 32], token);
        let (two, none) = waiters.join([1; 32], token);
        let (successors, _poller) = waiters.join([1; 32], Token::random());
        let (other, _poller) = waiters.join([2; 32], token);
        assert!(none.is_none(), "one poller is enough");
        waiters.wake(&[1; 32]);
        assert!(is_woken(one).await && is_woken(two).await && is_woken(successors).await);
        assert!(!is_woken(other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poller_that_ends_wakes_its_waiters() {
        let (waiters, token) = waiters();
        let (one, poller) = waiters.join([1; 32], token);
        drop(poller);
        assert!(is_woken(one).await);
        assert!(waiters.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_poller_stops_pausing_once_somebody_joins_or_nobody_waits() {
        let (waiters, token) = waiters();
        let (one, poller) = waiters.join([1; 32], token);
        let poller = poller.unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(timeout(SOON, poller.rest(day)).await.is_err());
        let (two, _) = waiters.join([1; 32], token);
        assert!(timeout(SOON, poller.rest(day)).await.is_ok());
        drop(one);
        assert!(!poller.is_deserted());
        drop(two);
        assert!(timeout(SOON, poller.rest(day)).await.is_ok());
        assert!(poller.is_deserted());
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_joins_after_a_group_was_deserted_gets_a_poller_of_its_own() {
        let (waiters, token) = waiters();
        let (one, poller) = waiters.join([1; 32], token);
        let poller = poller.unwrap();
        drop(one);
        assert!(poller.is_deserted());
        let (two, another) = waiters.join([1; 32], token);
        drop(poller);
        assert!(!is_woken(two).await);
        assert!(another.is_some());
    }
}
