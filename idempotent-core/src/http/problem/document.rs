//! The problem document (RFC 9457) of a refused request.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderValue, LINK, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// The default base of the `type` of a problem: where the types are documented.
pub const PROBLEM_TYPES: &str =
    "https://docs.rs/idempotent-core/latest/idempotent_core/http/problems/index.html#";

/// The media type of problems.
pub(in crate::http) const PROBLEM_JSON: &str = "application/problem+json";

/// The response to a refused request: `application/problem+json` (RFC 9457).
///
/// The module [`problems`](crate::http::problems) documents the codes for clients.
///
/// ```
/// use bytes::Bytes;
/// use idempotent_core::http::{InvalidKey, Problem};
///
/// let response = Problem::from(InvalidKey::Missing).into_response::<Bytes>();
/// assert_eq!(response.status(), 400);
/// assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
///
/// It is made from an [`InvalidKey`](crate::http::InvalidKey) or an [`Error`](crate::Error), also from the one within
/// the error type of your handler: see
/// [refusals in your handlers](crate::guide::http_service#refusals-in-your-handlers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    types: Cow<'static, str>,
    documentation: Option<HeaderValue>,
    ttl: Option<Duration>,
}

impl Problem {
    pub(super) const fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail: Cow::Borrowed(detail),
            retry_after: None,
            types: Cow::Borrowed(PROBLEM_TYPES),
            documentation: None,
            ttl: None,
        }
    }

    pub(super) const fn retry_in(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    pub(super) fn detailed(mut self, detail: String) -> Self {
        self.detail = Cow::Owned(detail);
        self
    }

    /// Changes the base of `type`, to which the code is appended, to a URI of the service's own
    /// documentation. Default: [`PROBLEM_TYPES`].
    #[must_use]
    pub fn types(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        self.types = base.into();
        self
    }

    pub(in crate::http) fn documentation(mut self, link: Option<HeaderValue>) -> Self {
        self.documentation = link;
        self
    }

    pub(in crate::http) fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code, which never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Whether the same request, sent again later, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retry_after.is_some()
    }

    /// How long to wait before a retry, in whole seconds and at least one. `None` if the problem is not
    /// retryable.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = |after: Duration| after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.retry_after.map(|after| Duration::from_secs(seconds(after).max(1)))
    }

    /// Whether a document is one of these problems, whatever the base of its `type`.
    pub(in crate::http) fn is_document(document: &[u8]) -> bool {
        let Ok(document) = serde_json::from_slice::<Value>(document) else { return false };
        let text = |field| document.get(field).and_then(Value::as_str);
        let is_retryable = document.get("retryable").and_then(Value::as_bool);
        match (text("type"), text("code"), is_retryable) {
            (Some(problem), Some(code), Some(_)) => problem.ends_with(code),
            _ => false,
        }
    }

    /// Converts the problem into a response.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let body = serde_json::to_string(&Document(&self)).unwrap_or_default();
        let mut response = Response::new(B::from(Bytes::from(body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
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

/// A time as it is published: in whole seconds, and never as none.
pub(in crate::http) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}

/// The members of the document, always in the same order: that of a `serde_json::Map` depends on its
/// feature `preserve_order`.
struct Document<'p>(&'p Problem);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(problem) = self;
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("code", problem.code)?;
        members.serialize_entry("detail", &problem.detail)?;
        members.serialize_entry("retryable", &problem.is_retryable())?;
        members.serialize_entry("status", &problem.status.as_u16())?;
        members.serialize_entry("title", problem.title)?;
        if let Some(ttl) = problem.ttl {
            members.serialize_entry("ttl_seconds", &whole_seconds(ttl))?;
        }
        members.serialize_entry("type", &format!("{}{}", problem.types, problem.code))?;
        members.end()
    }
}
