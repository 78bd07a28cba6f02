//! The layer itself. Its options are in `options`.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::read_budget::ReadBudget;
use super::scope::Scope;
use super::service::IdempotencyService;
use super::settings::Settings;
use super::state::LayerState;
use crate::{Idempotency, Operation};

/// A tower layer that makes each request with an `Idempotency-Key` take effect once.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, http::request::Parts, routing::post};
/// use idempotent_core::backends::MemoryStore;
/// use idempotent_core::{Idempotency, http::IdempotencyLayer};
///
/// /// Inserted by your authentication.
/// #[derive(Clone)]
/// struct Caller { tenant: u64, user: u64 }
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let layer = IdempotencyLayer::at_most_once(engine, "shop").scope(|parts: &Parts| {
///     parts.extensions.get::<Caller>().map(|caller| (caller.tenant, caller.user))
/// });
///
/// let router: Router = Router::new()
///     .route("/orders", post(|| async { "order 1" }))
///     .layer(layer);
/// # }
/// ```
///
/// A second request with the same key gets the first one's response and
/// `Idempotency-Replayed: true`. Guarantee, name and scope have no defaults, so a layer cannot be
/// built without them. The [options](#options) have.
///
/// # Where to put it
///
/// From the outside in: compression, CORS, tracing and request ids, authentication, **idempotency**, timeout,
/// handler.
///
/// * *CORS, tracing and request ids outside*: what they add belongs to one request, so a replay needs its own.
///   From inside it would not be stored, and a browser would refuse a replay without CORS headers.
/// * *Compression outside*: what is stored is then uncompressed, and each client gets an encoding that
///   it accepts.
/// * *Authentication outside*: the scope is then known, and nobody gets a stored response without
///   authentication.
/// * *The timeout inside*: it then ends the handler. From outside it would only end the wait for the
///   response, because a guarded handler runs on.
/// * *Rate limits for reading bodies outside*: the layer reads the body before it looks up the key, within
///   [its own time](Self::read_timeout).
///
/// On a router that nests others, put the layer outside of `nest`. With feature `axum` it also sees
/// the whole path inside of it.
///
/// # What happens to a request
///
/// Requests whose method is not guarded pass through. So do requests without a key, unless it is
/// [`required`](Self::required), or the request itself is its [key](Self::key_from_content). For all others the layer
///
/// 1. asks the scope whose key it is (nobody's: 400);
/// 2. takes a [place](Self::max_in_flight) (otherwise 503);
/// 3. reads the body, up to its [limit](Self::request_limit) (otherwise 413), within its
///    [time](Self::read_timeout) (408) and within the [budget](Self::read_budget) of all bodies (503);
/// 4. looks up the key;
/// 5. replays the first response, refuses the request with a [`Problem`](crate::http::Problem), or runs
///    the handler;
/// 6. records the handler's response before anybody sees it.
///
/// gRPC cannot be guarded: see [`pass_grpc`](Self::pass_grpc). `CONNECT`, also that of HTTP/2 for other
/// protocols, passes like any other method that is not guarded. A middleware that changes a request's method,
/// as one does that knows `X-HTTP-Method-Override`, belongs outside: the layer looks at the method it gets.
///
/// A running handler finishes even if the client disconnects: what remains of it moves to a spawned
/// task. If it panics, its outcome is [unknown](crate::Disposition::Unknown), and the panic propagates
/// as it would without the layer: the server closes the connection, or an outer layer that catches
/// panics responds. An error of the inner service, such as that of tower's timeout, which cuts the
/// handler off, [holds the key for its lease](crate::Disposition::HoldForLease).
///
/// A refusal of this crate that the handler passes on, such as the 409 of an idempotent function that
/// another request is running, is never stored as the handler's response: its reason goes away, and
/// the next request runs the handler again (under *at most once*, somebody must resolve it).
///
/// The handler finds the [`IdempotencyKey`](crate::http::IdempotencyKey) in the request's extensions.
/// Trailers of a guarded request are not passed on.
///
/// # What is stored
///
/// A response's [`Disposition`](crate::Disposition) says what it means for its key. It depends on the
/// status ([`disposition_of`](crate::http::disposition_of)), or on your own
/// [rule](Self::disposition). A stored response is replayed with its status, headers and body, byte for
/// byte. What belongs to the first request and not to its result is not stored, and a replay does not have it:
///
/// * CORS (`Access-Control-*`), which depends on the origin that asks;
/// * traces and ids of requests (`Server-Timing`, `Timing-Allow-Origin`, `traceparent`, `tracestate`, `traceresponse`, `baggage`, `b3`,
///   `X-Request-Id`, `X-Correlation-Id` and their like), what caches and proxies say of themselves (`Via`,
///   `X-Cache`, `X-Served-By`, `Alt-Svc`, `NEL`, `Report-To`), and rate limits (`RateLimit*`, `Rate-Limit*`,
///   `X-RateLimit-*`, `X-Quota*`);
/// * `Date`, `Age`;
/// * what belongs to a session or is a secret of its client: `Set-Cookie`, `Clear-Site-Data`,
///   `WWW-Authenticate`, `Authentication-Info`, `Authorization`, `DPoP-Nonce`, and every name that is or ends
///   with `token`, `csrf`, `nonce`, `session`, `session-id` or `api-key` (`X-Auth-Token`, `X-CSRF-Token`), or
///   begins with `X-Auth-`;
/// * headers of the connection, those that `Connection` names, and a wrong `Content-Length`;
/// * those of [`strip_header`](Self::strip_header) and [`strip_headers`](Self::strip_headers), and what is not
///   among those of [`keep_only_headers`](Self::keep_only_headers).
///
/// [`keep_header`](Self::keep_header) keeps one of them, except those of the connection. Whatever a layer
/// *outside* adds, such as CORS, a replay has too, and for the request at hand.
///
/// Some responses are sent but not stored. They leave a tombstone, so that a retry gets 410 and does
/// not run the handler again. Their header `Idempotency-Not-Kept` says so to the client at once, with the reason
/// as a word: `too-large`, `stream`, `trailers`, `body-failed` or `withheld`.
///
/// * bodies larger than the [limit](Self::response_limit);
/// * 101, 206, and successful responses to `CONNECT`;
/// * responses with trailers, and `text/event-stream`;
/// * bodies of unknown length that are not complete [within a second](Self::stream_after), and those of known
///   length that are not [within half a minute](Self::response_deadline);
/// * bodies that end with an error.
///
/// # The published policy
///
/// Every response to a guarded request has the header
/// `Idempotency-Policy: ttl=86400, max-length=255, required=?0`, an RFC 8941 dictionary. It says for how
/// many seconds a key's response is kept (at least one), how long a key may be by the engine's
/// [limit](crate::IdempotencyBuilder::max_key_bytes), and whether it is required. Problems also have
/// `ttl_seconds`.
///
/// # Panics
///
/// When a service is made of it, which is when the application starts, a layer panics if it could only answer
/// with 500: if its name is [invalid](Operation::new) or one that
/// [`strict_names`](crate::IdempotencyBuilder::strict_names) refuses, if requests are their own
/// [keys](Self::key_from_content) in the global scope, if its `ttl` is zero or shorter than its
/// lease, or if it promises *at most once* on an engine that
/// [fails open](crate::IdempotencyBuilder::fail_open).
///
/// # Without axum
///
/// Any tower stack will do. The layer reads the request's body and passes on one of the same type with the same
/// bytes, for example a `Full<Bytes>` of `http-body-util`; where a layer outside has wrapped the body, it passes
/// on a [`RequestBody`](crate::http::RequestBody). [`PassBody`](crate::http::PassBody) says what is possible.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use idempotent_core::backends::MemoryStore;
/// use idempotent_core::{Idempotency, http::IdempotencyLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let engine = Idempotency::new(MemoryStore::new());
/// let layer = IdempotencyLayer::at_least_once(engine, "shop").global_scope();
///
/// let orders = service_fn(|_: Request<Full<Bytes>>| async {
///     Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("order 1"))))
/// });
/// let request = || {
///     Request::post("/orders")
///         .header("idempotency-key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
///         .body(Full::from("{}"))
///         .unwrap()
/// };
/// let first = layer.layer(orders).oneshot(request()).await.unwrap();
/// assert_eq!(first.headers().get("idempotency-replayed"), None);
/// let second = layer.layer(orders).oneshot(request()).await.unwrap();
/// assert_eq!(second.headers()["idempotency-replayed"], "true");
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until a service is inside it"]
pub struct IdempotencyLayer {
    /// Behind a single pointer because frameworks make a service for each request.
    pub(super) state: Arc<LayerState>,
}

/// How many bytes of request bodies may be held at once by default.
const READ_BUDGET: usize = 64 * 1024 * 1024;

impl IdempotencyLayer {
    pub(super) fn of(engine: Idempotency, operation: Operation, scope: Scope) -> Self {
        let settings = Settings::new(engine, operation, scope);
        Self { state: Arc::new(LayerState::new(settings, ReadBudget::new(READ_BUDGET))) }
    }

    /// Refuses guarded requests from now on, with 503 and `Retry-After`, and returns when all running
    /// handlers have finished and their responses are recorded. Call it at shutdown, after the server
    /// has stopped accepting connections, and bound it by a timeout.
    ///
    /// It acts on all clones of the layer, and on the services it made.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// use std::time::Duration;
    /// use tokio::time::timeout;
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop").global_scope();
    /// // axum::serve(listener, router.layer(layer.clone())).with_graceful_shutdown(signal).await
    /// if timeout(Duration::from_secs(30), layer.drain()).await.is_err() {
    ///     eprintln!("some handlers are still running");
    /// }
    /// # }
    /// ```
    pub async fn drain(&self) {
        self.state.in_flight.drain().await;
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = IdempotencyService<S>;

    /// # Panics
    ///
    /// If the layer could never guard a request: see [`IdempotencyLayer`](Self#panics).
    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        self.state.settings.assert_usable();
        IdempotencyService::new(inner, Arc::clone(&self.state))
    }
}

impl fmt::Debug for IdempotencyLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdempotencyLayer")
            .field("settings", &self.state.settings)
            .finish_non_exhaustive()
    }
}
