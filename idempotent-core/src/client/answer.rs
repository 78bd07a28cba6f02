//! An answer that is read before it is handed on, and what a problem in it says about retrying.

use std::mem;

use http::response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Error, Response, ResponseBuilderExt};

/// Problems that are longer are not looked into.
const LONGEST_PROBLEM: u64 = 64 * 1024;

/// An answer, and the problem that it describes, if it was looked into.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    pub(super) problem: Option<Problem>,
}

/// What a problem body (RFC 9457) says about retrying.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) code: Option<String>,
    pub(super) retryable: Option<bool>,
}

/// Reads an answer whole if it says that it has at most so many bytes, or is a short problem.
pub(super) async fn read(mut response: Response, whole: u64) -> Result<Answer, Error> {
    let is_problem = is_problem(response.headers());
    let longest = if is_problem { whole.max(LONGEST_PROBLEM) } else { whole };
    if response.content_length().is_none_or(|length| length == 0 || length > longest) {
        return Ok(Answer { response, problem: None });
    }
    let (status, version, url) = (response.status(), response.version(), response.url().clone());
    let headers = mem::take(response.headers_mut());
    let extensions = mem::take(response.extensions_mut());
    let body = response.bytes().await?;
    let problem = is_problem.then(|| Problem::read(&body));
    // The builder carries the URL, which has no other way into an answer.
    let (carrier, ()) = response::Builder::new().url(url).body(()).unwrap_or_default().into_parts();
    let mut whole = http::Response::new(body);
    *whole.status_mut() = status;
    *whole.version_mut() = version;
    *whole.headers_mut() = headers;
    *whole.extensions_mut() = extensions;
    whole.extensions_mut().extend(carrier.extensions);
    Ok(Answer { response: Response::from(whole), problem })
}

fn is_problem(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let Some(Ok(content_type)) = content_type else { return false };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/problem+json")
}

impl Problem {
    /// A body that is no JSON object is a problem that says nothing.
    fn read(body: &[u8]) -> Self {
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
        let problem = Problem::read(br#"{"code": "in_progress", "retryable": true, "detail": ""}"#);
        let said = Problem { code: Some("in_progress".to_owned()), retryable: Some(true) };
        assert_eq!(problem, said);
    }

    #[test]
    fn what_is_no_problem_says_nothing() {
        for body in ["", "[]", "null", "{", r#"{"code": 7, "retryable": "no"}"#, "\u{feff}{}"] {
            assert_eq!(Problem::read(body.as_bytes()), Problem::default(), "{body}");
        }
    }

    #[test]
    fn a_problem_is_known_by_its_media_type() {
        let is = |value: &'static str| {
            is_problem(&[(CONTENT_TYPE, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert!(is("application/problem+json"));
        assert!(is("Application/Problem+JSON; charset=utf-8"));
        assert!(!is("application/json"));
        assert!(!is_problem(&HeaderMap::new()));
    }
}
