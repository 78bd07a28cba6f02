//! What can be set on a layer, beside what it must be told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode, response};

use super::IdempotencyLayer;
use super::disposition::stripe;
use super::flight::Flight;
use super::settings::Settings;
use crate::Disposition;
use crate::http::RequestFingerprint;

/// | option | default |
/// |---|---|
/// | [`methods`](Self::methods) | `POST`, `PATCH` |
/// | [`required`](Self::required) | no: requests without a key pass |
/// | [`header`](Self::header) | `Idempotency-Key` |
/// | [`wait`](Self::wait) | no: a duplicate of a running request is 409 |
/// | [`ttl`](Self::ttl), [`lease`](Self::lease), [`max_run`](Self::max_run) | the engine's |
/// | [`fingerprint`](Self::fingerprint) | JSON by its value, all else by its bytes |
/// | [`request_limit`](Self::request_limit) | 1 MiB |
/// | [`response_limit`](Self::response_limit) | the engine's, 1 MiB |
/// | [`stream_after`](Self::stream_after) | 1 second |
/// | [`disposition`](Self::disposition) | by status |
/// | [`withhold_no_store`](Self::withhold_no_store) | no: `no-store` is kept |
/// | [`max_in_flight`](Self::max_in_flight) | 4096 |
impl IdempotencyLayer {
    /// The practice of the IETF draft (-07): the key is required, and a duplicate of a running
    /// request is refused with 409 at once.
    ///
    /// What is left of the defaults: a response that does not say whether the request took effect
    /// (408 and 5xx) is not replayed, since the first request has not *completed*.
    pub fn ietf(self) -> Self {
        self.set(|settings| {
            settings.required = true;
            settings.operation.wait = None;
        })
    }

    /// The practice of Stripe's API: the key is optional, server errors are kept and replayed, a 400
    /// is not, a response is kept for 24 hours, and a replay is marked `Idempotent-Replayed: true`.
    /// Other requests with the same key stay 422, where Stripe answers 400.
    pub fn stripe(self) -> Self {
        self.replayed_header(HeaderName::from_static("idempotent-replayed"))
            .ttl(Duration::from_secs(24 * 60 * 60))
            .disposition(|parts| stripe(parts.status))
            .set(|settings| settings.required = false)
    }

    /// The methods that are guarded. All others pass, with their key.
    pub fn methods(self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.set(|settings| settings.methods = methods.into_iter().collect())
    }

    /// Refuses guarded requests without a key, with 400.
    pub fn required(self) -> Self {
        self.set(|settings| settings.required = true)
    }

    /// The name of the header that has the key.
    pub fn header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.header = name)
    }

    /// The name of the header that marks a replay.
    pub fn replayed_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.replayed = name)
    }

    /// The name of the header that publishes the policy.
    pub fn policy_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.policy_header = name)
    }

    /// Lets a duplicate of a running request wait so long for its response, instead of being refused
    /// with 409 at once. Set it below the timeouts of clients and proxies.
    pub fn wait(self, wait: Duration) -> Self {
        self.set(|settings| settings.operation.wait = Some(wait))
    }

    /// For how long a response is kept, and so how long a key may be retried.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.set(|settings| settings.operation.ttl = Some(ttl))
    }

    /// How long a reservation outlives a process that died. See [`Operation::lease`](crate::Operation::lease).
    pub fn lease(self, lease: Duration) -> Self {
        self.set(|settings| settings.operation.lease = Some(lease))
    }

    /// After how long a running handler's lease is no longer renewed. See
    /// [`Operation::max_run`](crate::Operation::max_run).
    pub fn max_run(self, max_run: Duration) -> Self {
        self.set(|settings| settings.operation.max_run = Some(max_run))
    }

    /// What makes two requests of one key the same request.
    pub fn fingerprint(self, fingerprint: RequestFingerprint) -> Self {
        self.set(|settings| settings.fingerprint = fingerprint)
    }

    /// The largest body of a guarded request, in bytes. A larger one is 413, and runs nothing.
    pub fn request_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.request_limit = bytes)
    }

    /// The largest body of a response that is kept, in bytes. A larger one is delivered whole and
    /// leaves a tombstone, as does one that is over the engine's
    /// [`max_result_bytes`](crate::Builder::max_result_bytes) together with its headers.
    pub fn response_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.response_limit = bytes)
    }

    /// How long a response of unknown length may take to be complete. After that it is a stream: it
    /// is delivered from its start as it comes, and leaves a tombstone.
    pub fn stream_after(self, patience: Duration) -> Self {
        self.set(|settings| settings.stream_after = patience)
    }

    /// What a response means for its key, by its status and headers.
    ///
    /// ```
    /// # use idempotent_core::{Disposition, Idempotency, http::IdempotencyLayer, store::MemoryStore};
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
        self.set(|settings| settings.rule = Arc::new(rule))
    }

    /// What one status means for its key, whatever [`disposition`](Self::disposition) says.
    pub fn disposition_of(self, status: StatusCode, disposition: Disposition) -> Self {
        self.set(|settings| settings.overrides.push((status, disposition)))
    }

    /// Does not store responses that say `Cache-Control: no-store`: they leave a tombstone, and a
    /// retry is 410. By default they are kept, as a retry must not run the handler again.
    pub fn withhold_no_store(self) -> Self {
        self.set(|settings| settings.withhold_no_store = true)
    }

    /// Does not keep that header of responses, beside those that are never kept.
    pub fn drop_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.dropped.add(name))
    }

    /// How many guarded requests may be in flight at once, those that wait included. More are
    /// refused with 503 before their key is looked up. Handlers run on when their clients go away,
    /// so a server's limit of connections is none on them.
    ///
    /// It acts on the services that are made after it.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        Arc::make_mut(&mut self.shared).flight = Arc::new(Flight::new(requests));
        self
    }

    /// The base of problems' `type`: a URI of the service's own documentation, to which the code is
    /// appended. See [`problems`](crate::http::problems).
    pub fn problem_types(self, base: impl Into<Cow<'static, str>>) -> Self {
        self.set(|settings| settings.problem_types = base.into())
    }

    /// A link to the service's own documentation of idempotency, which problems then carry in a
    /// `Link` header with `rel="describedby"`. A URI with characters that a header or a link cannot
    /// carry sets none.
    pub fn documentation(self, uri: &str) -> Self {
        let link = format!("<{uri}>; rel=\"describedby\"; type=\"text/html\"");
        let link = HeaderValue::try_from(link).ok().filter(|_| !uri.contains(['<', '>']));
        self.set(|settings| settings.documentation = link)
    }

    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        let settings = &mut Arc::make_mut(&mut self.shared).settings;
        set(settings);
        settings.publish();
        self
    }
}
