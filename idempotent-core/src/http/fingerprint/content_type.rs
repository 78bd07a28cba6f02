//! The `Content-Type` of a request.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;
use http::request::Parts;

pub(super) struct ContentType<'a> {
    /// The media type in lower case, without parameters.
    pub(super) essence: Cow<'a, str>,
    pub(super) parameters: &'a str,
}

impl<'a> ContentType<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        let value = parts.headers.get(CONTENT_TYPE);
        // The fast path: what nearly all clients send.
        if value.is_some_and(|value| value == "application/json") {
            return Self { essence: Cow::Borrowed("application/json"), parameters: "" };
        }
        let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
        let essence = essence.trim();
        let essence = match essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(essence.to_ascii_lowercase()),
            false => Cow::Borrowed(essence),
        };
        Self { essence, parameters: parameters.trim() }
    }

    pub(super) fn is_json(&self) -> bool {
        self.essence.ends_with("/json") || self.essence.ends_with("+json")
    }
}
