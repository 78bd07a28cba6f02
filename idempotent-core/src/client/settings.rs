//! What can be set, and its defaults.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderName;
use reqwest::{Method, StatusCode};

use super::timer::{Timer, TokioTimer};
use crate::backoff::Backoff;

/// Answers that are final whatever a client is told to retry: 400 and 422 say that the request is
/// wrong, 410 and 423 that another one will not help.
const NEVER: [StatusCode; 4] = [
    StatusCode::BAD_REQUEST,
    StatusCode::GONE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::LOCKED,
];

/// The middleware that gives requests an idempotency key and retries them. See the
/// [module](crate::client) for what it does; this is what can be set.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::client::IdempotentRetry;
/// use reqwest_middleware::ClientBuilder;
///
/// let retrying = IdempotentRetry::new()
///     .label("payments")
///     .attempts(8)
///     .attempt_timeout(Duration::from_secs(5))
///     .total_time(Duration::from_secs(90));
/// let client = ClientBuilder::new(reqwest::Client::new()).with(retrying).build();
/// ```
///
/// It needs a tokio runtime with its timer, as `reqwest` does.
#[derive(Clone, Debug)]
#[must_use = "a middleware does nothing until a client is built with it"]
pub struct IdempotentRetry {
    pub(super) header: HeaderName,
    pub(super) bare: bool,
    pub(super) label: String,
    pub(super) key_methods: Vec<Method>,
    pub(super) retry_methods: Vec<Method>,
    pub(super) retry_statuses: Vec<StatusCode>,
    pub(super) backoff: Backoff,
    pub(super) longest_retry_after: Duration,
    pub(super) attempts: u32,
    pub(super) total_time: Duration,
    pub(super) attempt_timeout: Option<Duration>,
    pub(super) whole_answers: u64,
    pub(super) timer: Arc<dyn Timer>,
}

impl IdempotentRetry {
    /// The middleware with its defaults.
    pub fn new() -> Self {
        Self {
            header: HeaderName::from_static("idempotency-key"),
            bare: false,
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
            longest_retry_after: Duration::from_secs(30),
            attempts: 16,
            total_time: Duration::from_secs(60),
            attempt_timeout: None,
            whole_answers: 1 << 20,
            timer: Arc::new(TokioTimer),
        }
    }

    /// The header that carries the key. Default: `Idempotency-Key`.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Sends keys bare, without the quotes of an RFC 8941 String, as Stripe and others want them.
    pub fn bare_keys(mut self) -> Self {
        self.bare = true;
        self
    }

    /// What keys that are derived from an idempotent call are derived for: two clients with two
    /// labels send different keys to one URL. Default: empty.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The methods whose requests get a key. Default: `POST` and `PATCH`.
    pub fn key_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.key_methods = methods.into_iter().collect();
        self
    }

    /// The methods whose requests are retried without a key, since to repeat them is harmless.
    /// Default: `GET`, `HEAD`, `PUT`, `DELETE` and `OPTIONS`.
    pub fn retry_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.retry_methods = methods.into_iter().collect();
        self
    }

    /// The statuses that are retried. Default: 408, 409, 425, 429, 500, 502, 503 and 504. 400, 410,
    /// 422 and 423 are left out whatever is said here.
    pub fn retry_statuses(mut self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let statuses = statuses.into_iter().filter(|status| !NEVER.contains(status));
        self.retry_statuses = statuses.collect();
        self
    }

    /// The longest pause before the first retry; it doubles with each one. Default: 100 ms.
    pub fn first_pause(mut self, pause: Duration) -> Self {
        self.backoff.first = pause;
        self
    }

    /// The longest pause before any retry, apart from what a `Retry-After` asks for. Default: 5 s.
    pub fn longest_pause(mut self, pause: Duration) -> Self {
        self.backoff.longest = pause;
        self
    }

    /// The longest `Retry-After` that is heeded: a server that asks for more is asked again after
    /// this. Default: 30 s.
    pub fn longest_retry_after(mut self, longest: Duration) -> Self {
        self.longest_retry_after = longest;
        self
    }

    /// How often a request is sent at most, the first time included. At least 1. Default: 16.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long all attempts and pauses of a request take at most. An attempt that has no answer by
    /// then is cut off; the body of an answer that has begun may take longer. Default: 60 s.
    pub fn total_time(mut self, time: Duration) -> Self {
        self.total_time = time;
        self
    }

    /// How long one attempt may take, up to the answer's head, or its end where it is [read
    /// whole](Self::whole_answers). Default: as long as is left of the total time, which a server
    /// that stalls once then uses up.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = Some(timeout);
        self
    }

    /// Up to how many bytes an answer to a request with a key is read whole as a part of its attempt,
    /// so that one which breaks off is retried. Default: 1 MiB. 0 hands on every answer with its
    /// head.
    pub fn whole_answers(mut self, bytes: u64) -> Self {
        self.whole_answers = bytes;
        self
    }

    /// The clock, for tests. Default: tokio's.
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }
}

impl Default for IdempotentRetry {
    fn default() -> Self {
        Self::new()
    }
}
