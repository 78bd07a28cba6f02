//! The middleware's settings and their defaults.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};

use super::clock::{Clock, TokioClock};
use crate::store::backoff::Backoff;

/// Statuses that are never retried, whatever the settings: 400 and 422 say that the request is wrong,
/// 410 and 423 that a retry will not help.
const NEVER_RETRIED: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::GONE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::LOCKED,
];

/// The middleware that adds idempotency keys to requests and retries them. The
/// [module](crate::client) says what it does; this type has its settings.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::client::IdempotentRetry;
/// use reqwest_middleware::ClientBuilder;
///
/// let retrying = IdempotentRetry::new()
///     .label("payments")
///     .max_attempts(8)
///     .attempt_timeout(Duration::from_secs(5))
///     .total_timeout(Duration::from_secs(90));
/// let client = ClientBuilder::new(reqwest::Client::new()).with(retrying).build();
/// ```
///
/// Like `reqwest`, it needs a tokio runtime with the timer enabled.
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until a client is built with it"]
pub struct IdempotentRetry {
    pub(super) header: HeaderName,
    pub(super) bare_keys: bool,
    pub(super) label: String,
    pub(super) key_methods: Vec<Method>,
    pub(super) retry_methods: Vec<Method>,
    pub(super) retry_statuses: Vec<StatusCode>,
    pub(super) backoff: Backoff,
    pub(super) max_retry_after: Duration,
    pub(super) max_attempts: u32,
    pub(super) total_timeout: Duration,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) max_buffered_bytes: u64,
    pub(super) clock: Arc<dyn Clock>,
}

impl IdempotentRetry {
    /// The middleware with its defaults.
    pub fn new() -> Self {
        Self {
            header: HeaderName::from_static("idempotency-key"),
            bare_keys: false,
            label: String::new(),
            key_methods: vec![Method::POST, Method::PATCH],
            retry_methods: vec![
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::DELETE,
                Method::OPTIONS,
            ],
            retry_statuses: vec![
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::CONFLICT,
                StatusCode::TOO_EARLY,
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            backoff: Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(5) },
            max_retry_after: Duration::from_secs(30),
            max_attempts: 16,
            total_timeout: Duration::from_secs(60),
            attempt_timeout: None,
            max_buffered_bytes: 1 << 20,
            clock: Arc::new(TokioClock),
        }
    }

    /// The header that carries the key. Default: `Idempotency-Key`.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Sends keys without the quotes of an RFC 8941 String, as Stripe and others expect them.
    pub fn bare_keys(mut self) -> Self {
        self.bare_keys = true;
        self
    }

    /// A part of the label of derived keys: within one idempotent call, clients with different labels
    /// send different keys to the same URL. Default: empty.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The methods whose requests get a key. Default: `POST` and `PATCH`.
    pub fn key_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.key_methods = methods.into_iter().collect();
        self
    }

    /// The methods whose requests are retried without a key, because they are idempotent by HTTP.
    /// Default: `GET`, `HEAD`, `PUT`, `DELETE` and `OPTIONS`.
    pub fn retry_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.retry_methods = methods.into_iter().collect();
        self
    }

    /// The statuses that are retried. Default: 408, 409, 425, 429, 500, 502, 503 and 504. 400, 410, 422
    /// and 423 are ignored here and never retried.
    pub fn retry_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let statuses = statuses.into_iter().filter(|status| !NEVER_RETRIED.contains(status));
        self.retry_statuses = statuses.collect();
        self
    }

    /// The maximum pause before the first retry. It doubles with each retry. Default: 100 ms.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.backoff.first = pause;
        self
    }

    /// The maximum pause before any retry, not counting `Retry-After`. Default: 5 s.
    pub fn max_pause(mut self, pause: Duration) -> Self {
        self.backoff.longest = pause;
        self
    }

    /// The longest `Retry-After` that the client waits for. Default: 30 s.
    ///
    /// If a server asks for more, the client gives up at once with
    /// [`GaveUpReason::RetryAfter`](super::GaveUpReason::RetryAfter), since nobody is asked earlier than they
    /// said. Raise [`total_timeout`](Self::total_timeout) together with this: no pause is begun that would
    /// end after it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use idempotent_core::client::IdempotentRetry;
    ///
    /// // A nightly job, which has the time.
    /// let patient = IdempotentRetry::new()
    ///     .max_retry_after(Duration::from_secs(3600))
    ///     .total_timeout(Duration::from_secs(4 * 3600));
    /// ```
    pub fn max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = max;
        self
    }

    /// The maximum number of attempts, including the first. At least 1. Default: 16.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The maximum time for all attempts and pauses of a request. An attempt without a response by then
    /// is aborted. The body of a response that has begun may take longer. Default: 60 s.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = timeout;
        self
    }

    /// The maximum time of one attempt, until it has the response head, or the whole response if that
    /// is [buffered](Self::max_buffered_bytes). Default: what is left of the total timeout, so a server
    /// that stalls once uses up all of it.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// The largest response that is buffered as part of its attempt, if the request has a key, so that
    /// a response which is cut off is retried. Default: 1 MiB. With 0, responses are passed on as soon
    /// as their head is there.
    pub fn max_buffered_bytes(mut self, bytes: u64) -> Self {
        self.max_buffered_bytes = bytes;
        self
    }

    /// The clock, for tests. Default: tokio's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl Default for IdempotentRetry {
    fn default() -> Self {
        Self::new()
    }
}
