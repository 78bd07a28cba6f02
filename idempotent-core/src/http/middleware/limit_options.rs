//! The options of a layer that limit its requests, so that no scope is in the way of the others.

use super::layer::IdempotencyLayer;
use super::layer_limits::LayerLimits;
use crate::engine::ScopeShare;

/// # Limits
///
/// A scope that exceeds its part is refused with 429 and `Retry-After`
/// ([`too_many_calls`](crate::http::problems#too_many_calls), [`scope_full`](crate::http::problems#scope_full)),
/// and others are not affected. At a limit of the whole layer everybody is refused with 503
/// ([`overloaded`](crate::http::problems#overloaded)). Requests with a key that was used before are
/// answered as always, unless too many wait.
///
/// | option | default |
/// |---|---|
/// | [`max_in_flight`](Self::max_in_flight) | 4096 |
/// | [`max_in_flight_per_scope`](Self::max_in_flight_per_scope) | a quarter of `max_in_flight`, rounded up |
/// | [`max_waiting`](Self::max_waiting) | 1024 |
/// | [`max_waiting_per_scope`](Self::max_waiting_per_scope) | a quarter of `max_waiting`, rounded up |
/// | [`max_waiting_per_key`](Self::max_waiting_per_key) | 128 |
/// | [`scope_share`](Self::scope_share) | 1,000,000 records, 1 GiB, 10,000 indeterminate records |
///
/// In the global scope there is one scope, so only the limits of the whole layer and of a key apply. The limits
/// hold for one process. They act on services that are made after they are set.
///
/// ```
/// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
/// # let engine = Idempotency::new(MemoryStore::new());
/// use idempotent_core::engine::ScopeShare;
///
/// # #[derive(Clone)] struct Tenant(u64);
/// let layer = IdempotencyLayer::at_most_once(engine, "shop")
///     .scope(|parts: &http::request::Parts| parts.extensions.get::<Tenant>().map(|tenant| tenant.0))
///     .max_in_flight(2000)
///     .max_in_flight_per_scope(200)
///     .scope_share(ScopeShare::new().max_records(100_000));
/// ```
impl IdempotencyLayer {
    /// How many guarded requests may run at once, and for how many more the body may be on its way. Further requests
    /// are refused with 503. Those that wait for another one are counted [apart](Self::max_waiting). A server's
    /// connection limit does not bound the
    /// handlers, because they run on when their clients disconnect.
    pub fn max_in_flight(self, requests: usize) -> Self {
        self.limit(|limits| limits.in_flight = requests)
    }

    /// How many guarded requests of one scope may run at once, including handlers whose clients disconnected, and
    /// for how many more the body may be on its way.
    /// Further requests of that scope are refused with 429.
    pub fn max_in_flight_per_scope(self, requests: usize) -> Self {
        self.limit(|limits| limits.in_flight_per_scope = Some(requests))
    }

    /// How many requests may [wait](Self::wait) at once for others with their keys. Each keeps its body in
    /// memory. Further ones are refused with 503.
    pub fn max_waiting(self, requests: usize) -> Self {
        self.limit(|limits| limits.waiting = requests)
    }

    /// How many requests of one scope may wait at once. Further ones are refused with 429.
    pub fn max_waiting_per_scope(self, requests: usize) -> Self {
        self.limit(|limits| limits.waiting_per_scope = Some(requests))
    }

    /// How many requests may wait at once for the request of one key. Further ones are refused with 429.
    pub fn max_waiting_per_key(self, requests: usize) -> Self {
        self.limit(|limits| limits.waiting_per_key = requests)
    }

    /// What one scope may keep in the store at once. Further keys of that scope are refused with 429. How exact
    /// this is depends on the store: see [`Store::scope_use`](crate::store::Store::scope_use).
    pub fn scope_share(self, share: ScopeShare) -> Self {
        self.limit(|limits| limits.share = Some(share))
    }

    /// Lets one scope fill the whole store, whereupon all scopes are refused.
    pub fn unlimited_scope_share(self) -> Self {
        self.limit(|limits| limits.share = None)
    }

    fn limit(self, set: impl FnOnce(&mut LayerLimits)) -> Self {
        self.set(|settings| {
            let mut limits = settings.limits;
            set(&mut limits);
            settings.set_limits(limits);
        })
    }
}
