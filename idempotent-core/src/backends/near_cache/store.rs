//! [`NearCache`], and how it answers the engine.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

use super::copies::Snapshot;
use super::inner::Inner;
use super::load_expiry;
use crate::model::{RecordId, ScopeId};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, Degradation, DueCalls, Entry,
    Journal, LocalStore, Page, PurgeObserver, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, ScopeUse, State, Store, StoreError, StoreHealth, Wait, WriteStep,
    WriteStepOutcome,
};

/// A cache of another store's completed records in this process's memory, so that a replay needs no
/// round trip.
///
/// Only replays are answered from the cache. Reserving, renewing, completing and releasing always go
/// to the store inside. A record is copied when this process replays it from the store for the first
/// time: the next replay comes from memory, after the same checks of version and fingerprint. Clones
/// share their copies.
///
/// ```
/// use idempotent_core::Idempotency;
/// use idempotent_core::backends::NearCache;
/// # use idempotent_core::Store;
///
/// # fn engine(store: impl Store) -> Idempotency {
/// let store = NearCache::builder(store).capacity_bytes(256 * 1024 * 1024).build();
/// Idempotency::new(store)
/// # }
/// ```
///
/// # Cost
///
/// Some stores do not say when a completed record expires: [`reserve`](Store::reserve) on Redis is
/// an example. The cache then calls [`load`](Store::load) once, in a background task after the first
/// replay. Nothing waits for that task, conflicts do not start one, and at most 64 run at once. Above
/// the [capacity](super::NearCacheBuilder::capacity_bytes), the least recently used copies are
/// evicted.
///
/// In an engine with a [secret](crate::IdempotencyBuilder::secret), each replay checks the MAC of the copy, too: about
/// a quarter of a microsecond for a small record.
///
/// # What is guaranteed
///
/// * A copy never outlives its record: its remaining time is counted from before the request that the
///   store answered with it.
/// * A [`purge`](Store::purge) or a [correction](Store::correct) through this cache drops the copy. So does one
///   through any other handle or process, if the store [reports purges](Store::observe_purges); see
///   [`hears_purges`](Self::hears_purges). A record that is purged while it is being read is not
///   copied.
/// * When the store reports that it may have missed purges, all copies are dropped.
///
/// # What is not guaranteed
///
/// * After a purge by another process, this process replays the record until the store's message
///   arrives, usually within a fraction of a millisecond. While the store's connection for messages
///   is broken, it replays the record until it notices that, or until the connection is back.
/// * If the store cannot report purges, a copy remains until its ttl ends. Either purge through the
///   cache of every process, or do not use a near cache.
/// * A record that the store loses early (evicted, flushed, lost in a failover) is still replayed
///   here. In other processes its call may run again.
/// * Copies expire by the process's monotonic clock. If that clock stops, as in a suspended virtual
///   machine, or if the store's clock is set forward, a copy outlives its record by as much.
pub struct NearCache<S>(pub(super) Arc<Inner<S>>);

impl<S> NearCache<S> {
    /// The store inside.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.store
    }

    /// Whether the store reports purges through other handles and processes.
    #[must_use]
    pub fn hears_purges(&self) -> bool {
        self.0.hears_purges
    }
}

impl<S: Store> NearCache<S> {
    /// Copies a completed record that a reserve returned, or has its expiry loaded first.
    fn keep(&self, id: &RecordId, entry: &Entry, snapshot: Snapshot) {
        if entry.state != State::Completed {
            return;
        }
        match entry.remaining {
            Some(remaining) => self.0.copies.insert(id.hash(), &entry.record, remaining, snapshot),
            None if self.0.copies.wants_expiry(id.hash(), &entry.record) => {
                load_expiry::spawn(&self.0, id);
            }
            None => {}
        }
    }
}

impl<S: Store> LocalStore for NearCache<S> {
    fn completed(&self, id: &RecordId) -> Option<Entry> {
        match self.0.copies.get(id.hash()) {
            Some(entry) => {
                #[cfg(feature = "metrics")]
                metrics::counter!("idempotent_near_hits_total").increment(1);
                Some(entry)
            }
            None => self.0.store.local()?.completed(id),
        }
    }

    fn try_reserve(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        self.0.store.local()?.try_reserve(request)
    }

    fn try_complete(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        self.0.store.local()?.try_complete(request)
    }

    fn try_write_step(
        &self,
        request: &WriteStep<'_>,
    ) -> Option<Result<WriteStepOutcome, StoreError>> {
        self.0.store.local()?.try_write_step(request)
    }
}

#[async_trait]
impl<S: Store> Store for NearCache<S> {
    fn local(&self) -> Option<&dyn LocalStore> {
        Some(self)
    }

    fn is_in_process(&self) -> bool {
        self.0.store.is_in_process()
    }

    fn response_timeout(&self) -> Option<Duration> {
        self.0.store.response_timeout()
    }

    fn server(&self) -> Option<&str> {
        self.0.store.server()
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        let health = self.0.store.check().await?;
        Ok(if self.0.hears_purges && !health.degraded.contains(&Degradation::NoNotifications) {
            health
        } else {
            health.degraded_by(Degradation::NearCacheDetached)
        })
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let snapshot = self.0.copies.snapshot(request.id.hash());
        let outcome = self.0.store.reserve(request).await?;
        if let ReserveOutcome::Taken(entry) = &outcome {
            self.keep(request.id, entry, snapshot);
        }
        Ok(outcome)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.store.renew(request).await
    }

    /// Keeps no copy: the answer may be to a repeated request, or to one that another process made
    /// with the same token, and then the record's ttl began earlier.
    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.store.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.store.release(request).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.0.store.abandon(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.0.store.wait(request).await
    }

    /// Always asks the store, even if there is a copy.
    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let _guard = self.0.copies.purge_guard(id.hash());
        self.0.store.purge(id).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        let _guard = self.0.copies.purge_guard(request.id.hash());
        self.0.store.correct(request).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.store.scan(request).await
    }

    /// Steps are never copied.
    fn journal(&self) -> Option<&dyn Journal> {
        self.0.store.journal()
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        self.0.store.due_calls()
    }

    fn max_records(&self) -> Option<u64> {
        self.0.store.max_records()
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        self.0.store.scope_use(scope, up_to).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.0.store.tables()
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        self.0.store.observe_purges(observer)
    }
}

impl<S> Clone for NearCache<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> fmt::Debug for NearCache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCache")
            .field("records", &self.0.copies.count())
            .field("capacity_bytes", &self.0.copies.capacity_bytes())
            .field("hears_purges", &self.0.hears_purges)
            .finish_non_exhaustive()
    }
}
