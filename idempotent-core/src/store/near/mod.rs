//! Completed records of another store, kept in this process.
//!
//! [`shelf`] holds the records and decides which of them may be shown; [`fill`] asks the store for
//! what its answers leave open. All transitions are the store's own.

mod builder;
mod fill;
mod shelf;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;

pub use self::builder::NearCacheBuilder;
use self::fill::Fills;
use self::shelf::Shelf;
use super::{
    Clock, Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, State, Store, StoreError, TokioClock, Wait,
};
use crate::record::{Record, RecordId};

/// Completed records of another store, kept in this process's memory, so that a replay needs no
/// round trip.
///
/// Everything but a replay goes to the store as before: who wins, renews, completes and releases is
/// decided there. A record is kept once this process has replayed it from the store: the next
/// replay comes from memory, after the same checks of version and fingerprint. Clones share what is
/// kept.
///
/// ```
/// use idempotent_core::Idempotency;
/// use idempotent_core::store::NearCache;
/// # use idempotent_core::Store;
///
/// # fn engine(store: impl Store) -> Idempotency {
/// let store = NearCache::builder(store).capacity_bytes(256 * 1024 * 1024).build();
/// Idempotency::new(store)
/// # }
/// ```
///
/// # What it costs
///
/// A store that does not say how long a completed record is still kept, as a
/// [`reserve`](Store::reserve) on Redis does not, is asked for that once with a
/// [`load`](Store::load), in a task behind the first replay. Nothing waits for it, conflicts cause
/// none, and at most 64 run at once. Above its [capacity](NearCacheBuilder::capacity_bytes) the
/// records used least recently go.
///
/// # What is not kept too long
///
/// * A copy never outlives its record: its time counts from before the question that the store
///   answered with it.
/// * A [`purge`](Store::purge) through this cache drops the copy, and so does one through any other
///   handle or process, if the store [tells of it](Store::observe); see
///   [`hears_purges`](Self::hears_purges). A record that is being read while it is purged is not
///   kept.
/// * When the store says that it may have missed purges, all copies go.
///
/// # What remains possible
///
/// * After a purge elsewhere, this process replays the record until the store's message is here: a
///   fraction of a millisecond as a rule. While the store's connection for messages is broken, it
///   is until that is noticed, or back.
/// * A store that cannot tell of purges leaves a copy until its ttl ends. Purge through every
///   process's cache then, or do without one.
/// * A record that the store loses before its time (evicted, flushed, lost in a failover) is still
///   replayed here. Elsewhere its call may run again.
/// * Time is the process's monotonic clock. Where that stands still, as in a suspended virtual
///   machine, a copy outlives its record by as long; so it does when the store's clock is set
///   forward.
pub struct NearCache<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: S,
    shelf: Arc<Shelf>,
    fills: Fills,
    hears_purges: bool,
}

impl<S: Store> NearCache<S> {
    /// A cache of 64 MiB over `store`.
    pub fn new(store: S) -> Self {
        Self::builder(store).build()
    }

    /// A cache over `store`, with bounds and a clock of your choice.
    pub const fn builder(store: S) -> NearCacheBuilder<S> {
        NearCacheBuilder::new(store)
    }

    fn over(store: S, shelf: Shelf) -> Self {
        let shelf = Arc::new(shelf);
        let observer: Arc<dyn Observer> = shelf.clone();
        let hears_purges = store.observe(Arc::downgrade(&observer));
        Self(Arc::new(Inner { store, shelf, fills: Fills::default(), hears_purges }))
    }

    /// Keeps what a reserve found, or has it asked for.
    fn learn(&self, id: &RecordId, entry: &Entry, seen: shelf::Seen) {
        if entry.state != State::Completed {
            return;
        }
        match entry.remaining {
            Some(remaining) => self.0.shelf.put(id.hash(), &entry.record, remaining, seen),
            None if self.0.shelf.has_use_for(id.hash(), &entry.record) => {
                fill::behind(&self.0, id);
            }
            None => {}
        }
    }
}

impl<S> NearCache<S> {
    /// The store inside.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.0.store
    }

    /// Whether the store tells of purges through other handles and processes.
    #[must_use]
    pub fn hears_purges(&self) -> bool {
        self.0.hears_purges
    }
}

#[async_trait]
impl<S: Store> Store for NearCache<S> {
    fn at_hand(&self, id: &RecordId) -> Option<Entry> {
        match self.0.shelf.get(id.hash()) {
            Some(entry) => {
                #[cfg(feature = "metrics")]
                metrics::counter!("idempotent_near_hits_total").increment(1);
                Some(entry)
            }
            None => self.0.store.at_hand(id),
        }
    }

    fn reserve_now(&self, request: &Reserve<'_>) -> Option<Result<ReserveOutcome, StoreError>> {
        self.0.store.reserve_now(request)
    }

    fn complete_now(&self, request: &Complete<'_>) -> Option<Result<CompleteOutcome, StoreError>> {
        self.0.store.complete_now(request)
    }

    fn answers_within(&self) -> Option<Duration> {
        self.0.store.answers_within()
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let seen = self.0.shelf.look(request.id.hash());
        let outcome = self.0.store.reserve(request).await?;
        if let ReserveOutcome::Taken(entry) = &outcome {
            self.learn(request.id, entry, seen);
        }
        Ok(outcome)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.0.store.renew(request).await
    }

    /// Nothing is kept of it: the answer may be to a repeated call, or to one that another process
    /// made with that token, and then the record's time does not begin here.
    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.0.store.complete(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.0.store.release(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.0.store.wait(request).await
    }

    /// Asks the store, also for what is kept here.
    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.0.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let _purging = self.0.shelf.purging(id.hash());
        self.0.store.purge(id).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.0.store.scan(request).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.0.store.tables()
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        self.0.store.observe(observer)
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
            .field("records", &self.0.shelf.count())
            .field("capacity_bytes", &self.0.shelf.capacity_bytes())
            .field("hears_purges", &self.0.hears_purges)
            .finish_non_exhaustive()
    }
}
