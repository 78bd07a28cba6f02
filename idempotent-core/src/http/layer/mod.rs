//! The layer: what stands between a server and its handlers.
//!
//! One idea a file: how it is set up (`options`, `settings`), what a status means (`disposition`)
//! and which responses are never kept (`unkept`), the way of one request (`service`, `guard`,
//! `reading`, `future`), and how many there are (`flight`). How a handler outlives its client is in
//! `onward`, beside this folder.

mod disposition;
mod flight;
mod future;
mod guard;
mod options;
mod reading;
mod service;
mod settings;
mod settle;
mod unkept;

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use tower_layer::Layer;

pub use self::disposition::disposition_of;
use self::flight::Flight;
pub use self::future::ResponseFuture;
pub use self::service::IdempotencyService;
use self::service::Shared;
use self::settings::{Scope, Settings};
#[cfg(feature = "axum")]
pub(super) use self::settle::{Meaning, settle};
#[cfg(feature = "axum")]
pub(super) use self::unkept::by_nature;
use crate::{Guarantee, Idempotency, Key, Operation};

/// A tower layer that makes the services inside it take effect once per `Idempotency-Key`.
///
/// The guarantee, the layer's name and the scope of keys have no default: a layer cannot be made
/// without them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::convert::Infallible;
/// use http::{Request, Response, request::Parts};
/// use http_body_util::Full;
/// use bytes::Bytes;
/// use idempotent_core::{Idempotency, http::IdempotencyLayer, store::MemoryStore};
/// use tower::{Layer, Service, ServiceExt, service_fn};
///
/// #[derive(Clone)]
/// struct Account(u64);
///
/// let layer = IdempotencyLayer::at_most_once(Idempotency::new(MemoryStore::new()), "shop")
///     .scope(|parts: &Parts| parts.extensions.get::<Account>().map(|account| account.0))
///     .required();
///
/// let orders = service_fn(|_: Request<Full<Bytes>>| async {
///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("order 1"))))
/// });
/// let request = || {
///     Request::post("/orders")
///         .header("idempotency-key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
///         .extension(Account(7))
///         .body(Full::from("{}"))
///         .unwrap()
/// };
/// let first = layer.layer(orders).oneshot(request()).await.unwrap();
/// assert_eq!(first.headers().get("idempotency-replayed"), None);
/// let second = layer.layer(orders).oneshot(request()).await.unwrap();
/// assert_eq!(second.headers()["idempotency-replayed"], "true");
/// # }
/// ```
///
/// # Where it stands
///
/// From outside in: compression, authentication, **idempotency**, timeout, handler.
///
/// * *Compression outside*, so that what is kept is plain, and each client gets the coding that it
///   accepts.
/// * *Authentication outside*, so that the scope is known, and nobody gets a stored response without
///   it.
/// * *The timeout inside*, so that it ends the handler: from outside it would only end the wait,
///   since a guarded handler runs on.
/// * *Limits of time and rate on reading bodies outside*: the layer reads a body before it looks its
///   key up.
///
/// On a router that nests others it stands outside of `nest`. With feature `axum` it sees the whole
/// path inside of it too.
///
/// # The way of a request
///
/// Methods that are not guarded pass, as do requests without a key, unless it is
/// [`required`](Self::required). The body is read (413 when over the limit), the key is looked up,
/// and the request is answered by the first one's response, by a [`Problem`](super::Problem), or by
/// the handler. The handler runs to its end, also when the client goes away: what is left of it is a
/// task of its own from then on. Its response is recorded before anybody sees it. If it panics, the
/// key is held, and the panic goes on outside as if there were no layer: the server closes the
/// connection, or a layer that catches panics answers. An error of the service inside, such as that
/// of tower's timeout, holds the key too.
///
/// The handler finds the [`IdempotencyKey`](super::IdempotencyKey) in the request's extensions.
/// Trailers of a guarded request are not passed on.
///
/// # What is kept
///
/// What a response means for its key is its [`Disposition`](crate::Disposition), by its status
/// ([`disposition_of`]) or as [`disposition`](Self::disposition) says. A kept response is replayed
/// with its status, headers and body byte for byte, and `Idempotency-Replayed: true`. Not kept are
/// `Set-Cookie`, `Date`, hop-by-hop headers, those that `Connection` names, and those that
/// [`drop_header`](Self::drop_header) names.
///
/// These responses are delivered whole, and leave a tombstone, so that a retry is refused with 410
/// and runs nothing: larger than the limit; 101, 206, and the answer to `CONNECT`; with trailers;
/// `text/event-stream`; of unknown length and not complete within a second
/// ([`stream_after`](Self::stream_after)); those that break off.
///
/// # The published policy
///
/// Every answer to a guarded request has the header
/// `Idempotency-Policy: ttl=86400, max-length=255, required=?0`, an RFC 8941 dictionary: for how many
/// seconds a key's response is kept, how long a key may be, and whether it must be there. Problems
/// have `ttl_seconds` besides.
#[derive(Clone)]
#[must_use = "a layer does nothing until a service is inside it"]
pub struct IdempotencyLayer {
    /// Behind one pointer, since frameworks make a service for each request.
    shared: Arc<Shared>,
}

/// An [`IdempotencyLayer`] that lacks its scope: to whom keys belong. It is no layer yet.
#[must_use = "say to whom keys belong, with `scope` or `global_scope`"]
pub struct LayerWithoutScope {
    engine: Idempotency,
    operation: Operation,
}

/// How many guarded requests may be in flight at once.
const IN_FLIGHT: usize = 4096;

impl IdempotencyLayer {
    /// A layer under which a handler whose process died runs again, once its lease is over.
    ///
    /// `name` is part of every key's identity: two layers of one name share keys.
    #[track_caller]
    pub const fn at_least_once(engine: Idempotency, name: &'static str) -> LayerWithoutScope {
        LayerWithoutScope { engine, operation: Operation::new(name) }
    }

    /// A layer under which a handler whose process died never runs again by itself: retries get 423
    /// until somebody [resolves](Idempotency::resolve) it.
    #[track_caller]
    pub const fn at_most_once(engine: Idempotency, name: &'static str) -> LayerWithoutScope {
        let operation = Operation::new(name).guarantee(Guarantee::AtMostOnce);
        LayerWithoutScope { engine, operation }
    }

    /// Refuses guarded requests from now on, with 503 and `Retry-After`, and returns when all
    /// handlers that run have ended and are recorded. For the end of a process, after the server
    /// has stopped to take connections; bound it by a timeout.
    ///
    /// It acts on all clones of the layer, and on the services it made.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use idempotent_core::{Idempotency, http::IdempotencyLayer, store::MemoryStore};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop").global_scope();
    /// // axum::serve(listener, router.layer(layer.clone())).with_graceful_shutdown(signal).await
    /// if timeout(Duration::from_secs(30), layer.drain()).await.is_err() {
    ///     eprintln!("handlers still run");
    /// }
    /// # }
    /// ```
    pub async fn drain(&self) {
        self.shared.flight.drain().await;
    }

    fn new(engine: Idempotency, operation: Operation, scope: Scope) -> Self {
        let settings = Settings::new(engine, operation, scope);
        let flight = Arc::new(Flight::new(IN_FLIGHT));
        Self { shared: Arc::new(Shared { settings, flight, warned_of_grpc: Arc::default() }) }
    }
}

impl LayerWithoutScope {
    /// To whom a request's key belongs: a tenant, an account, a user. Keys of two owners are two
    /// keys.
    ///
    /// Give a *stable* principal, as authentication outside of this layer has found it, and never
    /// the bearer token itself, which changes when it is refreshed. A `None` of an `Option` is
    /// refused with 400 `missing_scope`.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, http::IdempotencyLayer, store::MemoryStore};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// # #[derive(Clone)] struct Account(u64);
    /// use http::request::Parts;
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .scope(|parts: &Parts| parts.extensions.get::<Account>().map(|account| account.0));
    /// ```
    pub fn scope<K: Key>(
        self,
        scope: impl Fn(&Parts) -> K + Send + Sync + 'static,
    ) -> IdempotencyLayer {
        IdempotencyLayer::new(self.engine, self.operation, Scope::by(scope))
    }

    /// One scope for all callers: a key is a capability then, since whoever sends it gets its
    /// response. Keys need 128 bits' worth of characters, as a UUID has.
    ///
    /// For a service behind a gateway that knows its callers; otherwise give a
    /// [`scope`](Self::scope).
    pub fn global_scope(self) -> IdempotencyLayer {
        IdempotencyLayer::new(self.engine, self.operation, Scope::Global)
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        IdempotencyService::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LayerWithoutScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerWithoutScope")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}
