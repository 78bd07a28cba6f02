//! The options of a layer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode, response};

use super::layer::IdempotencyLayer;
use super::read_budget::ReadBudget;
use super::settings::Settings;
use crate::Disposition;
use crate::http::RequestFingerprint;
use crate::http::disposition::{ServerErrors, stripe_disposition_of};
use crate::http::response::HeaderPattern;

/// # Options
///
/// They come after the scope: a [`LayerWithoutScope`](super::LayerWithoutScope) has none of them (E0599).
///
/// | option | default |
/// |---|---|
/// | [`methods`](Self::methods) | `POST`, `PATCH` |
/// | [`required`](Self::required) | no: requests without a key pass through |
/// | [`key_from_content`](Self::key_from_content) | no |
/// | [`pass_grpc`](Self::pass_grpc) | no service: gRPC with a key gets 415 |
/// | [`header`](Self::header) | `Idempotency-Key` |
/// | [`wait`](Self::wait) | no: a duplicate of a running request gets 409 |
/// | [`ttl`](Self::ttl), [`lease`](Self::lease), [`max_run`](Self::max_run) | the engine's |
/// | [`fingerprint`](Self::fingerprint) | JSON by value, everything else by bytes |
/// | [`request_limit`](Self::request_limit) | 1 MiB |
/// | [`read_timeout`](Self::read_timeout) | 30 seconds |
/// | [`read_budget`](Self::read_budget) | 64 MiB |
/// | [`response_limit`](Self::response_limit) | the engine's, 1 MiB |
/// | [`stream_after`](Self::stream_after) | 1 second |
/// | [`response_deadline`](Self::response_deadline) | 30 seconds |
/// | [`disposition`](Self::disposition) | by status |
/// | [`server_errors`](Self::server_errors) | the handler runs again |
/// | [`respect_no_store`](Self::respect_no_store) | no: `no-store` responses are stored too |
/// | [limits](#limits) of what runs, waits and is kept | by scope and by key |
impl IdempotencyLayer {
    /// Follows the IETF draft (-07): the key is required, and a duplicate of a running request is
    /// refused with 409 at once.
    ///
    /// The other defaults stay: a response that does not say whether the request took effect (408 and
    /// 5xx) is not replayed, since the first request has not *completed*.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn ietf(self) -> Self {
        self.set(|settings| {
            settings.required = true;
            settings.operation.wait = None;
        })
    }

    /// Follows Stripe's API: the key is optional, server errors are stored and replayed, but a 400 or
    /// 422, with which extractors refuse a body, is not; responses are kept for 24 hours, and a replay is marked `Idempotent-Replayed: true`.
    /// Another request with the same key still gets 422, where Stripe sends 400.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn stripe(self) -> Self {
        self.replayed_header(HeaderName::from_static("idempotent-replayed"))
            .ttl(Duration::from_secs(24 * 60 * 60))
            .disposition(|parts| stripe_disposition_of(parts.status))
            .server_errors(ServerErrors::Replay)
            .set(|settings| settings.required = false)
    }

    /// The methods that are guarded. Requests with other methods pass through, even with a key.
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.set(|settings| settings.methods = methods.into_iter().collect())
    }

    /// The least entropy that a key must have in the global scope, in bits, as
    /// [`entropy_bits`](crate::http::IdempotencyKey::entropy_bits) counts it. Weaker keys get 400. Default: 100,
    /// which UUIDs, ULIDs, KSUIDs, Nano IDs, cuid2s and xids have. Keys with a
    /// [scope](super::LayerWithoutScope::scope) may be anything.
    ///
    /// It is a guard against accidents: see there. Ids that consist of the time, a machine and a counter, such
    /// as xids, can be guessed by whoever has seen one; raise the minimum to refuse them. `ObjectId`s have 96
    /// bits. Accept them only if nobody but trusted services can send requests:
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let internal =
    ///     IdempotencyLayer::at_least_once(engine, "ledger").global_scope().min_key_entropy(96);
    /// ```
    pub fn min_key_entropy(self, bits: u32) -> Self {
        self.set(|settings| settings.scope.set_min_entropy(bits))
    }

    /// Refuses requests without a key with 400, if their method is guarded.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn required(self) -> Self {
        self.set(|settings| settings.required = true)
    }

    /// Passes the requests of a gRPC service on, unguarded, with a key and without one. Name the service with
    /// its package, as in its path: `shop.v1.Orders` for `/shop.v1.Orders/Create`.
    ///
    /// A layer cannot guard gRPC, whose status is in the trailers. Put the
    /// [attribute](crate::idempotent) with the flag `grpc` on the methods of the service. Without this
    /// option a request with one of gRPC's media types (`application/grpc`, `application/grpc-web`, and these
    /// with a suffix such as `+proto`) gets 415 `grpc_not_guarded` where its key would be looked up or is
    /// required, and passes where any other request without a key would.
    ///
    /// Only the paths of the service pass, and only requests that can be gRPC: with that media type, and over
    /// HTTP/2 unless it is gRPC-Web. No other handler inside the layer can be reached so.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// // With tonic: `<OrdersServer<Orders> as NamedService>::NAME`.
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .pass_grpc("shop.v1.Orders");
    /// ```
    pub fn pass_grpc(self, service: impl Into<Cow<'static, str>>) -> Self {
        self.set(|settings| settings.grpc_services.push(service.into()))
    }

    /// The name of the header that carries the key. Refusals name it too.
    pub fn header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.header = name)
    }

    /// The name of the header that marks a replay.
    pub fn replayed_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.response.replayed_header = name)
    }

    /// The name of the header that publishes the policy.
    pub fn policy_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.policy_header = name)
    }

    /// How long a duplicate of a running request waits for its response, instead of being refused with
    /// 409 at once. Choose less than the timeouts of clients and proxies.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn wait(self, wait: Duration) -> Self {
        self.set(|settings| settings.operation.wait = Some(wait))
    }

    /// How long a response is kept, and therefore how long a request may be retried.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set(|settings| settings.operation.ttl = Some(ttl))
    }

    /// How long a reservation outlives a process that died. See
    /// [`Operation::lease`](crate::Operation::lease).
    pub fn lease(self, lease: Duration) -> Self {
        self.set(|settings| settings.operation.lease = Some(lease))
    }

    /// How long the lease of a running handler is renewed. See
    /// [`Operation::max_run`](crate::Operation::max_run).
    pub fn max_run(self, max_run: Duration) -> Self {
        self.set(|settings| settings.operation.max_run = Some(max_run))
    }

    /// What makes two requests with one key the same request.
    ///
    /// Comes after [`scope`](super::LayerWithoutScope::scope).
    pub fn fingerprint(self, fingerprint: RequestFingerprint) -> Self {
        self.set(|settings| settings.fingerprint = fingerprint)
    }

    /// The largest body of a guarded request, in bytes. A larger one gets 413, and the handler does not
    /// run.
    pub fn request_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.request_limit = bytes)
    }

    /// How long the body of a guarded request may take, from when it first has to be waited for. A slower one
    /// gets 408 `read_timeout`, and the handler does not run. A request has its place among those
    /// [in flight](Self::max_in_flight) while its body is read, so without this stalled uploads would keep
    /// others out.
    pub fn read_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.read_timeout = timeout)
    }

    /// How many bytes of request bodies may be held at once, over all requests whose body is being read, or
    /// whose key is being looked up or waited for. A request that would exceed it gets 503
    /// `read_budget_exhausted`. What a running handler holds does not count. Choose at least the
    /// [`request_limit`](Self::request_limit), or no body of that size is ever accepted.
    ///
    /// One scope may hold a quarter of it, though always one body of the `request_limit`; beyond that it gets 429
    /// `too_many_calls`. As many bodies may be read at once as requests may be
    /// [in flight](Self::max_in_flight), in all and of one scope.
    ///
    /// A body that arrives in many frames counts with its buffer, which is up to twice as large as what was
    /// read.
    ///
    /// It acts on services that are made afterwards.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .request_limit(4 * 1024 * 1024)
    ///     .read_budget(256 * 1024 * 1024);
    /// ```
    pub fn read_budget(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.state).read_budget = Arc::new(ReadBudget::new(bytes));
        self
    }

    /// The largest response body that is stored, in bytes. A larger response is sent whole and leaves a
    /// tombstone, as does one that exceeds the engine's
    /// [`max_result_bytes`](crate::IdempotencyBuilder::max_result_bytes) together with its headers.
    pub fn response_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.response.limits.max_bytes = bytes)
    }

    /// How long a response body of unknown length may take to complete. After that it counts as a
    /// stream: it is sent from its start as it is produced, and leaves a tombstone.
    pub fn stream_after(self, limit: Duration) -> Self {
        self.set(|settings| settings.response.limits.stream_after = limit)
    }

    /// How long a response body of known length may take to complete, from when it first has to be waited for.
    /// After that it is sent as it is produced, and leaves a tombstone, as a stream does. Until then nobody sees
    /// any of it.
    pub fn response_deadline(self, limit: Duration) -> Self {
        self.set(|settings| settings.response.limits.complete_after = limit)
    }

    /// What a response means for its key, judging by its status and headers.
    ///
    /// ```
    /// # use idempotent_core::backends::MemoryStore;
    /// # use idempotent_core::{Disposition, Idempotency, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// use idempotent_core::http::disposition_of;
    ///
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop").global_scope().disposition(
    ///     |response| match response.headers.contains_key("x-nothing-happened") {
    ///         true => Disposition::Release,
    ///         false => disposition_of(response.status),
    ///     },
    /// );
    /// ```
    pub fn disposition(
        self,
        rule: impl Fn(&response::Parts) -> Disposition + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.response.set_rule(rule))
    }

    /// What one status means for its key, whatever [`disposition`](Self::disposition) says.
    pub fn disposition_of(self, status: StatusCode, disposition: Disposition) -> Self {
        self.set(|settings| settings.response.set_override(status, disposition))
    }

    /// What a server error (5xx) means for its key.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore};
    /// use idempotent_core::http::{IdempotencyLayer, ServerErrors};
    ///
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .server_errors(ServerErrors::Replay);
    /// ```
    pub fn server_errors(self, server_errors: ServerErrors) -> Self {
        self.set(|settings| settings.response.server_errors = server_errors)
    }

    /// Does not store responses with `Cache-Control: no-store`: they leave a tombstone, and a retry
    /// gets 410. By default they are stored, so that a retry gets its response.
    pub fn respect_no_store(self) -> Self {
        self.set(|settings| settings.response.respect_no_store = true)
    }

    /// Does not store this response header, in addition to those that are not stored
    /// [by default](Self#what-is-stored).
    pub fn strip_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.response.stripped_headers.add(name))
    }

    /// Does not store the response headers whose names match a pattern, in addition to those that are not
    /// stored [by default](Self#what-is-stored). In a pattern `*` stands for any characters, and case does not
    /// matter.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .strip_headers("x-internal-*")
    ///     .strip_headers("*-debug");
    /// ```
    ///
    /// # Panics
    ///
    /// If the pattern has a character that no header's name has.
    #[track_caller]
    pub fn strip_headers(self, pattern: &str) -> Self {
        let pattern = HeaderPattern::new(pattern);
        self.set(|settings| settings.response.stripped_headers.add_pattern(pattern))
    }

    /// Stores only the response headers whose names match one of these patterns, without those that are not
    /// stored [by default](Self#what-is-stored) and those of [`strip_header`](Self::strip_header).
    /// [`keep_header`](Self::keep_header) adds to them. In a pattern `*` stands for any characters, and case
    /// does not matter.
    ///
    /// For a service whose responses have headers that nobody has looked through: what is not named cannot
    /// be shown to whoever repeats the request.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .keep_only_headers(["content-*", "location", "etag", "link"]);
    /// ```
    ///
    /// # Panics
    ///
    /// If a pattern has a character that no header's name has.
    #[track_caller]
    pub fn keep_only_headers<'p>(self, patterns: impl IntoIterator<Item = &'p str>) -> Self {
        let mut only = Vec::new();
        for pattern in patterns {
            only.push(HeaderPattern::new(pattern));
        }
        self.set(|settings| settings.response.stripped_headers.keep_only(only))
    }

    /// Stores a response header that is not stored [by default](Self#what-is-stored), so that replays have
    /// the first response's. Headers of the connection, such as `Upgrade`, cannot be kept.
    ///
    /// ```
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, http::IdempotencyLayer};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// use http::HeaderName;
    ///
    /// // Support looks up a payment by the request that made it.
    /// let layer = IdempotencyLayer::at_least_once(engine, "shop")
    ///     .global_scope()
    ///     .keep_header(HeaderName::from_static("x-request-id"));
    /// ```
    pub fn keep_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.response.stripped_headers.keep(name))
    }

    /// The base of the `type` of problems: a URI of the service's own documentation, to which the code
    /// is appended. See [`problems`](crate::http::problems).
    pub fn problem_types(self, base: impl Into<Cow<'static, str>>) -> Self {
        self.set(|settings| settings.problem_types = base.into())
    }

    /// The URI of the service's own documentation about idempotency. Problems then carry it in a `Link`
    /// header with `rel="describedby"`. A URI with characters that are invalid in a header or a link is
    /// ignored.
    pub fn documentation(self, uri: &str) -> Self {
        let link = format!("<{uri}>; rel=\"describedby\"; type=\"text/html\"");
        let link = HeaderValue::try_from(link).ok().filter(|_| !uri.contains(['<', '>']));
        self.set(|settings| settings.documentation = link)
    }

    pub(super) fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = &mut Arc::make_mut(&mut self.state).settings;
        set(settings);
        settings.update_policy();
        self
    }
}
