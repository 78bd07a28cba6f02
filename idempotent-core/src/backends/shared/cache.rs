//! What the caches of records have in common: least recently used records are evicted first, by
//! weight in bytes.

use std::hash::RandomState;

use moka::policy::EvictionPolicy;
use moka::sync::{Cache, CacheBuilder};

use crate::model::Record;

/// A record's identity within a store.
pub(in crate::backends) type Hash = [u8; 32];

/// The default capacity of a cache.
pub(in crate::backends) const DEFAULT_CAPACITY_BYTES: u64 = 64 * 1024 * 1024;

/// What an entry costs besides its record's bytes, as measured by the benchmark `footprint`:
/// moka's nodes, key and table, and the record's reference counts.
const OVERHEAD_BYTES: usize = 300;

/// A cache that evicts by weight. `weigh` is [`weight`] of the record in a value.
pub(in crate::backends) fn builder<V: Clone + Send + Sync + 'static>(
    capacity_bytes: u64,
    weigh: impl Fn(&V) -> u32 + Send + Sync + 'static,
) -> CacheBuilder<Hash, V, Cache<Hash, V, RandomState>> {
    Cache::builder()
        .max_capacity(capacity_bytes)
        .weigher(move |_, value| weigh(value))
        // TinyLFU would reject fresh records when the cache is full of popular ones.
        .eviction_policy(EvictionPolicy::lru())
}

/// The bytes that an entry takes; one without a record is all bookkeeping.
pub(in crate::backends) fn weight(record: Option<&Record>) -> u32 {
    let bytes = record.map_or(0, |record| record.as_bytes().len());
    u32::try_from(bytes + OVERHEAD_BYTES).unwrap_or(u32::MAX)
}
