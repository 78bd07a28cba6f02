//! Building a [`NearCache`].

use std::fmt;
use std::sync::Arc;

use super::copies::Copies;
use super::inner::Inner;
use super::store::NearCache;
use crate::backends::shared::cache::DEFAULT_CAPACITY_BYTES;
use crate::store::{Clock, Store, TokioClock};

/// Builds a [`NearCache`].
///
/// ```
/// use idempotent_core::Store;
/// use idempotent_core::backends::NearCache;
///
/// # fn cache(store: impl Store) {
/// let store = NearCache::builder(store).capacity_bytes(16 * 1024 * 1024).build();
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct NearCacheBuilder<S> {
    store: S,
    capacity_bytes: u64,
    clock: Option<Arc<dyn Clock>>,
}

impl<S: Store> NearCache<S> {
    /// A cache of 64 MiB in front of `store`.
    pub fn new(store: S) -> Self {
        Self::builder(store).build()
    }

    /// Configures the capacity and clock of a cache in front of `store`.
    pub const fn builder(store: S) -> NearCacheBuilder<S> {
        NearCacheBuilder { store, capacity_bytes: DEFAULT_CAPACITY_BYTES, clock: None }
    }
}

impl<S: Store> NearCacheBuilder<S> {
    /// The maximum size of all copies in bytes, including about 300 bytes of bookkeeping for each.
    /// Default: 64 MiB.
    ///
    /// Above it, the least recently used copies are evicted. To keep threads from contending, a cache
    /// of 8 MiB or more is split into up to 16 segments of at least 4 MiB, each with a limit of its
    /// own. An empty segment takes 32 KiB. A record larger than a segment is not kept.
    pub const fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// The clock by which copies expire. Default: [`TokioClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Builds the cache, which is empty, and registers it with the store as an observer of purges.
    #[must_use]
    pub fn build(self) -> NearCache<S> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::new()));
        let copies = Copies::new(self.capacity_bytes, clock);
        NearCache(Arc::new(Inner::new(self.store, copies)))
    }
}

impl<S> fmt::Debug for NearCacheBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCacheBuilder")
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}
