//! What a store tells those who keep copies of its records.

/// Somebody who keeps copies of a store's completed records, and must hear when one goes before its
/// time is over. [`NearCache`](super::NearCache) is one; [`Store::observe`](super::Store::observe)
/// enlists one.
///
/// Both methods are called from wherever the store learns of it: they return soon, and neither
/// block nor panic.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use idempotent_core::record::Record;
/// use idempotent_core::store::Observer;
///
/// struct Copies(Mutex<HashMap<[u8; 32], Record>>);
///
/// impl Observer for Copies {
///     fn purged(&self, hash: &[u8; 32]) {
///         self.0.lock().unwrap().remove(hash);
///     }
///
///     fn missed(&self) {
///         self.0.lock().unwrap().clear();
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// The record whose id has this [hash](crate::RecordId::hash) was purged, through whichever
    /// handle.
    fn purged(&self, hash: &[u8; 32]);

    /// Any number of purges may have gone unheard until now: every copy is in doubt.
    ///
    /// A store that hears of purges over a connection says so when that connection is lost, and
    /// again when it is back.
    fn missed(&self);
}
