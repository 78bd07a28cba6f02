//! Building a [`MemoryStore`].

use std::fmt;
use std::sync::Arc;

use super::completed::Completed;
use super::evict::AfterEviction;
use super::records::Records;
use super::store::MemoryStore;
use super::unfinished::Unfinished;
use crate::backends::shared::cache::DEFAULT_CAPACITY_BYTES;
use crate::model::IdHasher;
use crate::store::{Clock, TokioClock};

/// Enough for a million concurrent calls, or for as many tombstones, at about 250 bytes each.
const DEFAULT_MAX_UNFINISHED: usize = 1_000_000;

/// More than the threads that are likely to need one at the same time.
const SHARDS: usize = 64;

/// Builds a [`MemoryStore`].
///
/// ```
/// use idempotent_core::backends::MemoryStore;
///
/// let store = MemoryStore::builder()
///     .capacity_bytes(256 * 1024 * 1024)
///     .max_unfinished(10_000)
///     .build();
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct MemoryStoreBuilder {
    capacity_bytes: u64,
    max_unfinished: usize,
    clock: Option<Arc<dyn Clock>>,
    after_eviction: AfterEviction,
}

impl MemoryStore {
    /// A store with the default bounds.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Configures a store's bounds and clock.
    pub const fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            capacity_bytes: DEFAULT_CAPACITY_BYTES,
            max_unfinished: DEFAULT_MAX_UNFINISHED,
            clock: None,
            after_eviction: AfterEviction::Refuse,
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStoreBuilder {
    /// The maximum size of all completed records in bytes, including about 400 bytes of bookkeeping
    /// for each. Default: 64 MiB.
    ///
    /// Above it, records of the scope that has most are evicted before their ttl ends, and calls that repeat
    /// theirs are refused: see [capacity](MemoryStore#capacity).
    pub const fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// The maximum number of ids that are reserved, indeterminate, or completed without a result that is kept:
    /// because it was evicted before its ttl ended, for instance. Default: one million, which take at most about
    /// 250 MB.
    ///
    /// At this limit, new reservations fail with
    /// [`StoreErrorKind::Full`](crate::store::StoreErrorKind::Full).
    pub const fn max_unfinished(mut self, ids: usize) -> Self {
        self.max_unfinished = ids;
        self
    }

    /// Forgets results under *at least once* that are evicted, instead of leaving tombstones: **the bodies of
    /// repeated calls then run again** within the ttl, and any caller who fills the store can cause that. For
    /// caches of work that may be repeated at will. Default: repeated calls are refused.
    ///
    /// ```
    /// use idempotent_core::backends::MemoryStore;
    ///
    /// let thumbnails = MemoryStore::builder().run_again_after_eviction().build();
    /// ```
    pub const fn run_again_after_eviction(mut self) -> Self {
        self.after_eviction = AfterEviction::RunAgain;
        self
    }

    /// The clock for leases and ttls. Default: [`TokioClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Builds the store, which is empty.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        let hasher = IdHasher::random();
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::new()));
        let records = Records {
            unfinished: Unfinished::new(SHARDS, self.max_unfinished, hasher.clone()),
            completed: Completed::new(self.capacity_bytes, hasher),
        };
        MemoryStore::from_parts(records, clock, self.after_eviction)
    }
}

impl fmt::Debug for MemoryStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStoreBuilder")
            .field("capacity_bytes", &self.capacity_bytes)
            .field("max_unfinished", &self.max_unfinished)
            .finish_non_exhaustive()
    }
}
