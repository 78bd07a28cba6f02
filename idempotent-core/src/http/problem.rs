//! RFC 9457 problems: how a refusal is answered.
//!
//! A problem has fixed texts, none taken from an error or a record, so nothing of another caller's
//! request, of the store or of its address can stand in it.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, LINK, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::json;

use super::InvalidKey;
use crate::{Error, ErrorKind};

/// Where the types of problems are documented, unless a layer says otherwise.
pub const PROBLEM_TYPES: &str =
    "https://docs.rs/idempotent-core/latest/idempotent_core/http/problems/index.html#";

/// A refusal as an HTTP response, `application/problem+json`.
///
/// Its codes and their meaning are in [`problems`](super::problems).
///
/// ```
/// use bytes::Bytes;
/// use idempotent_core::http::{InvalidKey, Problem};
///
/// let response = Problem::from(InvalidKey::Missing).into_response::<Bytes>();
/// assert_eq!(response.status(), 400);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
    retry_after: Option<Duration>,
    types: Cow<'static, str>,
    documentation: Option<HeaderValue>,
    ttl: Option<Duration>,
}

impl Problem {
    const fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail,
            retry_after: None,
            types: Cow::Borrowed(PROBLEM_TYPES),
            documentation: None,
            ttl: None,
        }
    }

    pub(super) const fn missing_scope() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "missing_scope",
            "The idempotency key has no owner",
            "Keys belong to a caller, and this request does not say who that is.",
        )
    }

    pub(super) const fn unreadable_body() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable_body",
            "The request's body could not be read",
            "The body ended before it was complete. The request was not processed.",
        )
    }

    pub(super) const fn request_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            "The request is too large",
            "The body is over the limit of requests with an idempotency key.",
        )
    }

    pub(super) const fn overloaded() -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "Too many requests run",
            "The request was not processed. Send it again later, with the same key.",
        );
        problem.retry_in(Some(SOON))
    }

    pub(super) const fn shutting_down() -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "This process is shutting down",
            "The request was not processed. Send it again later, with the same key.",
        );
        problem.retry_in(Some(SOON))
    }

    const fn in_progress() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "in_progress",
            "A request with this idempotency key is in progress",
            "The first request with this key has not ended. Send the same request again later.",
        )
    }

    const fn retry_in(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same problem, its `type` behind another base: a URI of the service's own documentation,
    /// to which the code is appended. Default: [`PROBLEM_TYPES`].
    #[must_use]
    pub fn types(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        self.types = base.into();
        self
    }

    pub(super) fn documentation(mut self, link: Option<HeaderValue>) -> Self {
        self.documentation = link;
        self
    }

    pub(super) fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable word for it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether the same request, sent again later, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry_after.is_some()
    }

    /// When a retry has a fair chance, in whole seconds, at least one.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = |after: Duration| after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.retry_after.map(|after| Duration::from_secs(seconds(after).max(1)))
    }

    /// The problem as a response.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut body = json!({
            "type": format!("{}{}", self.types, self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "retryable": self.is_retryable(),
        });
        if let Some(ttl) = self.ttl {
            body["ttl_seconds"] = ttl.as_secs().into();
        }
        let mut response = Response::new(B::from(Bytes::from(body.to_string())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after() {
            headers.insert(RETRY_AFTER, after.as_secs().into());
        }
        if let Some(link) = self.documentation {
            headers.insert(LINK, link);
        }
        response
    }
}

/// When to come back where nobody knows better.
const SOON: Duration = Duration::from_secs(1);

impl From<InvalidKey> for Problem {
    fn from(why: InvalidKey) -> Self {
        let (code, title) = match why {
            InvalidKey::Missing => ("missing_key", "The idempotency key is missing"),
            _ => ("invalid_key", "The idempotency key is invalid"),
        };
        let detail = match why {
            InvalidKey::Missing => {
                "This operation needs an Idempotency-Key: a random UUID, and the same one for each \
                 retry."
            }
            InvalidKey::Repeated => "The header is repeated. Send one key.",
            InvalidKey::List => "The header is a list. Send one key.",
            InvalidKey::Empty => "The key is empty.",
            InvalidKey::TooLong => "The key has more than 255 characters.",
            InvalidKey::Character => "The key has a character that is not printable ASCII.",
            InvalidKey::Syntax => "The key is neither a quoted string nor a bare key.",
            InvalidKey::Weak => "The key could be guessed. Send a random UUID.",
        };
        Self::new(StatusCode::BAD_REQUEST, code, title, detail)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        let (title, detail) = texts(kind);
        let status = StatusCode::from_u16(kind.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Self::new(status, kind.code(), title, detail);
        let after = kind.is_retryable().then(|| error.retry_after().unwrap_or(SOON));
        problem.retry_in(after)
    }
}

fn texts(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::MissingKey => {
            ("The idempotency key is missing", "This operation needs an idempotency key.")
        }
        ErrorKind::InvalidKey => (
            "The idempotency key is invalid",
            "The key is empty or longer than this service takes.",
        ),
        ErrorKind::InProgress => {
            let problem = Problem::in_progress();
            (problem.title, problem.detail)
        }
        ErrorKind::FingerprintMismatch => (
            "The idempotency key was used with another request",
            "A key must not be used for another method, path, query, content type or body. Send a \
             new key with a new request.",
        ),
        ErrorKind::Indeterminate => (
            "It is not known whether the request took effect",
            "The first request with this key was interrupted, and is not repeated until somebody \
             has found out what it did.",
        ),
        ErrorKind::ResultNotKept => (
            "The response was not kept",
            "The request with this key was processed, and its response was not kept. It is not \
             processed again.",
        ),
        ErrorKind::Incompatible => (
            "The key's record cannot be read",
            "The key was used with a version of this service that this one does not understand.",
        ),
        ErrorKind::Store => (
            "The idempotency key cannot be looked up",
            "The request was not processed. Send it again later, with the same key.",
        ),
        ErrorKind::Encode => {
            ("The request cannot be compared", "The service cannot tell requests apart.")
        }
        ErrorKind::Decode => (
            "The response cannot be read",
            "The request with this key was processed, and its response cannot be read.",
        ),
        ErrorKind::Misconfigured => {
            ("The service is misconfigured", "The request was not processed.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_error_is_documented() {
        let documented = include_str!("../../docs/problems.md");
        for kind in [
            ErrorKind::MissingKey,
            ErrorKind::InvalidKey,
            ErrorKind::InProgress,
            ErrorKind::FingerprintMismatch,
            ErrorKind::Indeterminate,
            ErrorKind::ResultNotKept,
            ErrorKind::Incompatible,
            ErrorKind::Store,
            ErrorKind::Encode,
            ErrorKind::Decode,
            ErrorKind::Misconfigured,
        ] {
            let problem = Problem::from(&Error::new(kind, "shop"));
            let heading = format!("# `{}`", problem.code());
            assert!(documented.lines().any(|line| line == heading), "{heading}");
            assert_eq!(problem.status().as_u16(), kind.status());
            assert_eq!(problem.is_retryable(), kind.is_retryable());
        }
    }

    #[test]
    fn the_layers_own_problems_are_documented() {
        let documented = include_str!("../../docs/problems.md");
        for problem in [
            Problem::missing_scope(),
            Problem::unreadable_body(),
            Problem::request_too_large(),
            Problem::overloaded(),
            Problem::shutting_down(),
        ] {
            let row = format!("| `{}` | {} |", problem.code(), problem.status().as_u16());
            assert!(documented.contains(&row), "{row}");
            assert!(documented.contains(&format!("\n# `{}`\n", problem.code())));
        }
    }

    #[test]
    fn a_problem_quotes_nothing_of_its_error() {
        let error = Error::new(ErrorKind::Store, "shop::charge").detail("redis://:secret@10.0.0.1");
        let response = Problem::from(&error).into_response::<Bytes>();
        let text = format!("{response:?}");
        assert!(!text.contains("secret") && !text.contains("shop::charge"), "{text}");
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let error = |after| {
            Error::new(ErrorKind::InProgress, "shop").retry_in(Some(Duration::from_millis(after)))
        };
        for (after, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            let retry_after = Problem::from(&error(after)).retry_after();
            assert_eq!(retry_after, Some(Duration::from_secs(seconds)));
        }
    }
}
