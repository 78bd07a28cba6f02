//! [`PurgeObserver`]: how a store reports purges to those who keep copies of its records.

/// Keeps copies of a store's completed records, and must learn when a record is purged before it
/// expires. [`NearCache`](crate::backends::NearCache) is one.
/// [`Store::observe_purges`](super::Store::observe_purges) registers one.
///
/// The store calls both methods from wherever it learns of a purge, so they must return soon, and
/// must neither block nor panic.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use idempotent_core::model::Record;
/// use idempotent_core::store::PurgeObserver;
///
/// struct Copies(Mutex<HashMap<[u8; 32], Record>>);
///
/// impl PurgeObserver for Copies {
///     fn purged(&self, hash: &[u8; 32]) {
///         self.0.lock().unwrap().remove(hash);
///     }
///
///     fn purges_missed(&self) {
///         self.0.lock().unwrap().clear();
///     }
/// }
/// ```
pub trait PurgeObserver: Send + Sync {
    /// The record whose id has this [hash](crate::model::RecordId::hash) was purged, through any
    /// handle.
    fn purged(&self, hash: &[u8; 32]);

    /// Any number of purges may have been missed until now, so every copy may be stale.
    ///
    /// A store that learns of purges over a connection calls this when the connection is lost, and
    /// again when it is back.
    fn purges_missed(&self);
}
