//! [`ScopeShare`]: what one scope may keep in the store.

/// The default number of records.
const MAX_RECORDS: u64 = 1_000_000;
/// In a store that is bounded, a scope has by default one part in so many of it.
const ROOM_PART: u64 = 4;

/// What one scope may keep in the store at once: how many live records, how many bytes of them, and how many
/// indeterminate records. A call of a scope that has reached any of them is refused with
/// [`ScopeFull`](crate::ErrorKind::ScopeFull) before its body runs, and other scopes are not affected.
///
/// | | default |
/// |---|---|
/// | [`max_records`](Self::max_records) | 1,000,000, or a quarter of what the store [has room for](crate::Store::max_records) if that is less |
/// | [`max_bytes`](Self::max_bytes) | 1 GiB |
/// | [`max_indeterminate`](Self::max_indeterminate) | 10,000 |
///
/// A record is live while it is reserved, completed within its ttl, or indeterminate within its retention.
/// Results that are already recorded are replayed as long as they are kept, however full their scope is.
/// Calls without a scope have no share. A scope is the same in all operations.
///
/// How exact a share is depends on the store: see [`Store::scope_use`](crate::store::Store::scope_use).
///
/// ```
/// use idempotent_core::engine::ScopeShare;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// let share = ScopeShare::new().max_records(50_000).max_bytes(64 * 1024 * 1024);
/// let engine = Idempotency::builder(MemoryStore::new()).scope_share(share).build();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a share does nothing until an engine or a layer has it"]
pub struct ScopeShare {
    records: Option<u64>,
    pub(in crate::engine) bytes: u64,
    pub(in crate::engine) indeterminate: u64,
}

impl ScopeShare {
    /// The default share.
    pub const fn new() -> Self {
        Self { records: None, bytes: 1024 * 1024 * 1024, indeterminate: 10_000 }
    }

    /// How many live records a scope may have, whatever their state.
    pub const fn max_records(mut self, records: u64) -> Self {
        self.records = Some(records);
        self
    }

    /// How many records a scope may have, in a store that has room for so many.
    pub(in crate::engine) fn records(&self, room: Option<u64>) -> u64 {
        let part = room.map_or(MAX_RECORDS, |room| room.div_ceil(ROOM_PART).min(MAX_RECORDS));
        self.records.unwrap_or(part)
    }

    /// How many bytes a scope's live records may have. The result with which a scope exceeds it is still
    /// recorded: its effect has happened.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// How many records of a scope may be indeterminate: they stay for their
    /// [retention](crate::IdempotencyBuilder::retention) and not for the ttl. At the limit, only calls under
    /// *at most once* are refused: others leave no indeterminate records.
    pub const fn max_indeterminate(mut self, records: u64) -> Self {
        self.indeterminate = records;
        self
    }
}

impl Default for ScopeShare {
    fn default() -> Self {
        Self::new()
    }
}
