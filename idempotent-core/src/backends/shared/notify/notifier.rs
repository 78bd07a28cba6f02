//! Whom a store notifies in this process: those who wait for a call, and those who keep copies of
//! records.

use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::hash::Hash;
use super::poll::poll_until_ended;
use super::poll_pauses::PollPauses;
use super::purge_observers::PurgeObservers;
use super::waiters::Waiters;
use crate::store::{Entry, PurgeObserver, StoreError, Wait, poll};

/// The waiters and purge observers of one store.
#[derive(Default)]
pub(in crate::backends) struct Notifier {
    waiters: Arc<Waiters>,
    observers: PurgeObservers,
}

impl Notifier {
    /// A call has ended, or may have.
    pub(in crate::backends) fn ended(&self, hash: &Hash) {
        self.waiters.wake(hash);
    }

    /// A record was purged, or may have been.
    pub(in crate::backends) fn purged(&self, hash: &Hash) {
        self.observers.purged(hash);
        self.waiters.wake(hash);
    }

    /// Any number of purges may have been missed.
    pub(in crate::backends) fn purges_missed(&self) {
        self.observers.purges_missed();
    }

    /// Calls may have ended without a notification: everybody's poller looks now.
    #[cfg(feature = "postgres")]
    pub(in crate::backends) fn poll_now(&self) {
        self.waiters.poll_now();
    }

    /// Tells an observer of purges from now on.
    pub(in crate::backends) fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) {
        self.observers.add(observer);
    }

    /// Whether anybody wants to hear of purges.
    #[cfg(feature = "sqlite")]
    pub(in crate::backends) fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Waits until the reservation of that token may have ended, and polls in case nothing wakes the
    /// waiter. Errors of `load` are ignored: the store may be back before the waiter's time is up.
    pub(in crate::backends) async fn wait<L, F>(
        &self,
        request: &Wait<'_>,
        pauses: PollPauses,
        load: L,
    ) -> Result<(), StoreError>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Entry>, StoreError>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return poll::until_ended(load, request).await;
        };
        let (waiter, poller) = self.waiters.join(*request.id.hash(), request.token);
        if let Some(poller) = poller {
            runtime.spawn(poll_until_ended(poller, request.token, pauses, load, |_| ()));
        }
        let _ = timeout(request.timeout, waiter.woken()).await;
        Ok(())
    }
}
