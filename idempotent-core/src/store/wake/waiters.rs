//! The waiters of this process: who waits for what, and the bell that wakes them.
//!
//! All waiters for one reservation share a bell, and one task that looks for them.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::Hash;
use crate::record::Token;

/// Everybody who waits in this process.
#[derive(Default)]
pub(in crate::store) struct Waiters(Mutex<HashMap<Hash, Vec<Arc<Bell>>>>);

/// Wakes all waiters for one reservation.
pub(in crate::store) struct Bell {
    token: Token,
    rings: watch::Sender<()>,
    /// Somebody joined, and wants to know how things stand.
    joined: Notify,
}

/// One waiter.
pub(in crate::store) struct Waiter(watch::Receiver<()>);

/// The task that looks on behalf of all waiters at one bell. They wake when it ends, however it
/// ends.
pub(in crate::store) struct Lookout {
    waiters: Arc<Waiters>,
    hash: Hash,
    bell: Arc<Bell>,
}

impl Waiters {
    /// One more waiter, and the lookout that the first one at a bell has to send.
    pub(in crate::store) fn join(
        self: &Arc<Self>,
        hash: Hash,
        token: Token,
    ) -> (Waiter, Option<Lookout>) {
        let mut bells = self.lock();
        let here = bells.entry(hash).or_default();
        if let Some(bell) = here.iter().find(|bell| bell.token == token) {
            bell.joined.notify_one();
            return (Waiter(bell.rings.subscribe()), None);
        }
        let (rings, waiter) = watch::channel(());
        let bell = Arc::new(Bell { token, rings, joined: Notify::new() });
        here.push(Arc::clone(&bell));
        let lookout = Lookout { waiters: Arc::clone(self), hash, bell };
        (Waiter(waiter), Some(lookout))
    }

    /// Wakes whoever waits for an id.
    pub(in crate::store) fn wake(&self, hash: &Hash) {
        // Rung without the lock: wakers are other people's code.
        let here = self.lock().get(hash).cloned();
        here.into_iter().flatten().for_each(|bell| bell.ring());
    }

    /// Lets everybody's lookout look now: calls may have ended unheard.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn look(&self) {
        self.lock().values().flatten().for_each(|bell| bell.joined.notify_one());
    }

    /// The ids that are waited for.
    #[cfg(feature = "redis")]
    pub(in crate::store) fn awaited(&self) -> Vec<Hash> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Hash, Vec<Arc<Bell>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(bells: &mut HashMap<Hash, Vec<Arc<Bell>>>, hash: &Hash, gone: &Arc<Bell>) {
        if let Some(here) = bells.get_mut(hash) {
            here.retain(|bell| !Arc::ptr_eq(bell, gone));
            if here.is_empty() {
                bells.remove(hash);
                if bells.capacity() > 64 && bells.len() < bells.capacity() / 8 {
                    bells.shrink_to(bells.len() * 2);
                }
            }
        }
    }
}

impl Bell {
    fn ring(&self) {
        self.rings.send_replace(());
    }
}

impl Waiter {
    /// Ends when the bell rings, or nobody looks any more.
    pub(in crate::store) async fn woken(mut self) {
        let _ = self.0.changed().await;
    }
}

impl Lookout {
    #[cfg(feature = "redis")]
    pub(in crate::store) const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Rests before the next look: for so long, until somebody joins, or until nobody waits.
    pub(in crate::store) async fn rest(&self, pause: Duration) {
        let bell = &self.bell;
        let ends: [Pin<&mut (dyn Future<Output = ()> + Send)>; 3] =
            [pin!(sleep(pause)), pin!(bell.joined.notified()), pin!(bell.rings.closed())];
        first_of(ends).await;
    }

    /// Whether nobody waits any more; then nobody will join either.
    pub(in crate::store) fn is_deserted(&self) -> bool {
        let mut bells = self.waiters.lock();
        let deserted = self.bell.rings.receiver_count() == 0;
        if deserted {
            Waiters::remove(&mut bells, &self.hash, &self.bell);
        }
        deserted
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        Waiters::remove(&mut self.waiters.lock(), &self.hash, &self.bell);
        self.bell.ring();
    }
}

/// Ends when the first of them does.
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
        let (one, _lookout) = waiters.join([1; 32], token);
        let (two, none) = waiters.join([1; 32], token);
        let (successors, _lookout) = waiters.join([1; 32], Token::random());
        let (other, _lookout) = waiters.join([2; 32], token);
        assert!(none.is_none(), "one lookout is enough");
        waiters.wake(&[1; 32]);
        assert!(is_woken(one).await && is_woken(two).await && is_woken(successors).await);
        assert!(!is_woken(other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookout_that_ends_wakes_its_waiters() {
        let (waiters, token) = waiters();
        let (one, lookout) = waiters.join([1; 32], token);
        drop(lookout);
        assert!(is_woken(one).await);
        assert!(waiters.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookout_rests_no_longer_once_somebody_joins_or_nobody_waits() {
        let (waiters, token) = waiters();
        let (one, lookout) = waiters.join([1; 32], token);
        let lookout = lookout.unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        assert!(timeout(SOON, lookout.rest(day)).await.is_err());
        let (two, _) = waiters.join([1; 32], token);
        assert!(timeout(SOON, lookout.rest(day)).await.is_ok());
        drop(one);
        assert!(!lookout.is_deserted());
        drop(two);
        assert!(timeout(SOON, lookout.rest(day)).await.is_ok());
        assert!(lookout.is_deserted());
    }

    #[tokio::test(start_paused = true)]
    async fn who_joins_after_a_bell_was_deserted_sends_a_lookout_of_their_own() {
        let (waiters, token) = waiters();
        let (one, lookout) = waiters.join([1; 32], token);
        let lookout = lookout.unwrap();
        drop(one);
        assert!(lookout.is_deserted());
        let (two, another) = waiters.join([1; 32], token);
        drop(lookout);
        assert!(!is_woken(two).await);
        assert!(another.is_some());
    }
}
