//! How a [`MemoryStore`] is set up.

use std::fmt;
use std::sync::Arc;

use super::claims::Claims;
use super::completed::Evicting;
use super::hasher::KeyHasher;
use super::ledger::Ledger;
use super::{Clock, Inner, MemoryStore, TokioClock};

const CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// A million calls that run at once, or eleven completed calls a second under *at most once* with
/// a ttl of a day; at some 250 bytes each.
const MAX_UNFINISHED: usize = 1_000_000;

/// More shards than threads that could want one at once.
const SHARDS: usize = 64;

/// Sets up a [`MemoryStore`].
///
/// ```
/// use idempotent_core::store::MemoryStore;
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
}

impl MemoryStoreBuilder {
    pub(super) const fn new() -> Self {
        Self { capacity_bytes: CAPACITY_BYTES, max_unfinished: MAX_UNFINISHED, clock: None }
    }

    /// How many bytes of completed records are kept, each counted with some 300 bytes of
    /// bookkeeping. Default: 64 MiB.
    ///
    /// Above it, the least recently used go before their time: see
    /// [capacity](MemoryStore#capacity).
    pub const fn capacity_bytes(mut self, bytes: u64) -> Self {
        self.capacity_bytes = bytes;
        self
    }

    /// How many ids may be reserved, indeterminate, or completed under *at most once*, all
    /// together. Default: one million, which are at most some 250 MB.
    ///
    /// At the cap, new reservations fail with
    /// [`StoreErrorKind::Full`](crate::store::StoreErrorKind::Full).
    pub const fn max_unfinished(mut self, ids: usize) -> Self {
        self.max_unfinished = ids;
        self
    }

    /// What leases and expiries are judged by. Default: [`TokioClock`].
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The store, empty.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        let hasher = KeyHasher::random();
        let clock = self.clock.unwrap_or_else(|| Arc::new(TokioClock::new()));
        MemoryStore(Arc::new(Inner {
            ledger: Ledger {
                claims: Claims::new(SHARDS, self.max_unfinished, hasher.clone()),
                completed: Evicting::new(self.capacity_bytes, hasher),
            },
            clock,
        }))
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
