//! The option of a layer whose clients send no keys.

use super::layer::IdempotencyLayer;

/// # Clients that send no keys
impl IdempotencyLayer {
    /// Guards requests without a key as well: the request itself is then its key.
    ///
    /// Two of them are the same request if they have the same
    /// [fingerprint](crate::http::RequestFingerprint): method, path and query, host, media type, and the body, where
    /// JSON counts by its value. What [`fingerprint`](Self::fingerprint) leaves out or adds, it leaves out of the
    /// key or adds to it: leave out what differs between two attempts, such as the time at which each was sent.
    ///
    /// **What a client does twice on purpose is then done once.** Who orders the same tea again while the first
    /// response is kept gets the receipt of the first, and no second tea. So set a [`ttl`](Self::ttl), which is the
    /// window in which an equal request counts as a repetition: seconds or minutes, and not a day. A client that
    /// means it twice sends a key of its own, and clients that can should do so anyway.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// # #[derive(Clone)] struct Caller { tenant: u64, user: u64 }
    /// use std::time::Duration;
    ///
    /// use http::request::Parts;
    /// use idempotent_core::http::{IdempotencyLayer, RequestFingerprint};
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .scope(|parts: &Parts| {
    ///         parts.extensions.get::<Caller>().map(|caller| (caller.tenant, caller.user))
    ///     })
    ///     .key_from_content()
    ///     .fingerprint(RequestFingerprint::new().exclude("/sent_at"))
    ///     .ttl(Duration::from_secs(60));
    /// ```
    ///
    /// * A request that has a key keeps it, and an invalid key is refused as always. The two kinds of keys never
    ///   meet, whatever a client sends: a request with a key and the same one without are two requests.
    /// * It needs a [`scope`](super::LayerWithoutScope::scope), since equal requests of two clients are two requests.
    ///   In the global scope the layer [panics](Self#panics) when a service is made. If all requests come from one
    ///   caller, as those of a webhook do, name it: `.scope(|_: &Parts| "webhooks")`.
    /// * It fulfils [`required`](Self::required), in whichever order the two are written: no request lacks a key.
    /// * [`request_limit`](Self::request_limit), [`read_timeout`](Self::read_timeout) and all other limits now hold
    ///   for requests without a key, whose body has to be read: a larger upload than the limit gets 413.
    /// * gRPC cannot be guarded, with or without a key: it gets 415, unless [`pass_grpc`](Self::pass_grpc) names
    ///   its service.
    /// * The handler finds no [`IdempotencyKey`](crate::http::IdempotencyKey), as the client has sent none.
    pub fn key_from_content(self) -> Self {
        self.set(|settings| settings.is_keyed_by_content = true)
    }
}
