//! How a [`NearCache`] is set up.

use std::fmt;
use std::sync::Arc;

use super::shelf::Shelf;
use super::{Clock, NearCache, Store, TokioClock};

const CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// Sets up a [`NearCache`].
///
/// ```
/// use idempotent_core::store::NearCache;
/// # use idempotent_core::Store;
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

impl<S: Store> NearCacheBuilder<S> {
    pub(super) const fn new(store: S) -> Self {
        Self { store, capacity_bytes: CAPACITY_BYTES, clock: None }
    }

    /// How many bytes of records are kept, each counted with some 300 bytes of bookkeeping.
    /// Default: 64 MiB.
    ///
    /// Above it, the least recently used go. So that threads seldom meet, a cache of 8 MiB or more has up
    /// to 16 parts of at least 4 MiB, each of which is full by itself and takes 32 KiB when it is empty.
    /// A record that is larger than a part is not kept.
    pub const fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// What the ends of records are judged by. Default: [`TokioClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The cache, empty. It enlists with the store as an observer of purges.
    #[must_use]
    pub fn build(self) -> NearCache<S> {
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::new()));
        NearCache::over(self.store, Shelf::new(self.capacity_bytes, clock))
    }
}

impl<S> fmt::Debug for NearCacheBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NearCacheBuilder")
            .field("capacity_bytes", &self.capacity_bytes)
            .finish_non_exhaustive()
    }
}
