//! Reading a response into memory, and what a problem in it says about retrying.

use std::mem;

use http::response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Error, Response, ResponseBuilderExt};

/// Longer problems are not parsed.
const MAX_PROBLEM_BYTES: u64 = 64 * 1024;

/// A response, and the problem in it if it was parsed.
#[derive(Debug)]
pub(super) struct BufferedResponse {
    pub(super) response: Response,
    pub(super) problem: Option<Problem>,
}

/// What a problem document (RFC 9457) says about retrying.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: Option<String>,
    pub(super) retryable: Option<bool>,
}

/// Reads the body of a response with a `Content-Length` of at most `max_bytes`, or of a short problem.
pub(super) async fn buffer(
    mut response: Response,
    max_bytes: u64,
) -> Result<BufferedResponse, Error> {
    let is_problem = is_problem(response.headers());
    let max_bytes = if is_problem { max_bytes.max(MAX_PROBLEM_BYTES) } else { max_bytes };
    if response.content_length().is_none_or(|length| length == 0 || length > max_bytes) {
        return Ok(BufferedResponse { response, problem: None });
    }
    let (status, version, url) = (response.status(), response.version(), response.url().clone());
    let headers = mem::take(response.headers_mut());
    let extensions = mem::take(response.extensions_mut());
    let body = response.bytes().await?;
    let problem = is_problem.then(|| Problem::parse(&body));
    // Only a builder can put the URL into a response.
    let (with_url, ()) =
        response::Builder::new().url(url).body(()).unwrap_or_default().into_parts();
    let mut buffered = http::Response::new(body);
    *buffered.status_mut() = status;
    *buffered.version_mut() = version;
    *buffered.headers_mut() = headers;
    *buffered.extensions_mut() = extensions;
    buffered.extensions_mut().extend(with_url.extensions);
    Ok(BufferedResponse { response: Response::from(buffered), problem })
}

fn is_problem(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let Some(Ok(content_type)) = content_type else { return false };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/problem+json")
}

impl Problem {
    /// A body that is not a JSON object is a problem that says nothing.
    fn parse(body: &[u8]) -> Self {
        let Ok(serde_json::Value::Object(mut members)) = serde_json::from_slice(body) else {
            return Self::default();
        };
        let code = match members.remove("code") {
            Some(serde_json::Value::String(code)) => Some(code),
            _ => None,
        };
        Self { code, retryable: members.get("retryable").and_then(serde_json::Value::as_bool) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_whether_to_retry() {
        let problem =
            Problem::parse(br#"{"code": "in_progress", "retryable": true, "detail": ""}"#);
        let said = Problem { code: Some("in_progress".to_owned()), retryable: Some(true) };
        assert_eq!(problem, said);
    }

    #[test]
    fn an_invalid_problem_says_nothing() {
        for body in ["", "[]", "null", "{", r#"{"code": 7, "retryable": "no"}"#, "\u{feff}{}"] {
            assert_eq!(Problem::parse(body.as_bytes()), Problem::default(), "{body}");
        }
    }

    #[test]
    fn a_problem_is_recognized_by_its_media_type() {
        let is = |value: &'static str| {
            is_problem(&[(CONTENT_TYPE, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert!(is("application/problem+json"));
        assert!(is("Application/Problem+JSON; charset=utf-8"));
        assert!(!is("application/json"));
        assert!(!is_problem(&HeaderMap::new()));
    }
}
