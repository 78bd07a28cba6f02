//! The headers that are stripped before a response is stored.

use http::HeaderMap;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName};

use super::header_pattern::HeaderPattern;

/// Strips headers that belong to one request, one connection, one moment or one session instead of to the
/// result, and those that a layer names.
#[derive(Clone, Debug, Default)]
pub(crate) struct StrippedHeaders {
    stripped: Vec<HeaderName>,
    stripped_patterns: Vec<HeaderPattern>,
    kept: Vec<HeaderName>,
    /// If there are any, only what matches one of them remains.
    only: Option<Vec<HeaderPattern>>,
}

/// Of one connection. A message with a wrong one would be garbled, so nobody can keep them.
pub(crate) fn is_of_connection(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Of one request, one moment or one session.
const REQUESTS: [&str; 46] = [
    "age",
    "alt-svc",
    "authentication-info",
    "authorization",
    "b3",
    "baggage",
    "cf-cache-status",
    "cf-ray",
    "clear-site-data",
    "correlation-id",
    "date",
    "fly-request-id",
    "nel",
    "report-to",
    "reporting-endpoints",
    "request-id",
    "sentry-trace",
    "server-timing",
    "set-cookie",
    "set-cookie2",
    "timing-allow-origin",
    "traceparent",
    "traceresponse",
    "tracestate",
    "uber-trace-id",
    "via",
    "www-authenticate",
    "x-amz-cf-id",
    "x-amz-cf-pop",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-cache",
    "x-cache-hits",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-envoy-upstream-service-time",
    "x-request-id",
    "x-response-time",
    "x-runtime",
    "x-served-by",
    "x-timer",
    "x-trace-id",
    "x-varnish",
    "x-vercel-id",
];

/// Beginnings of such names: CORS, trace contexts, rate limits and authentication.
const REQUEST_PREFIXES: [&str; 9] = [
    "access-control-",
    "rate-limit",
    "ratelimit",
    "x-auth-",
    "x-b3-",
    "x-datadog-",
    "x-quota",
    "x-rate-limit",
    "x-ratelimit",
];

/// What a name of a client's secret is, or ends with after a hyphen.
const SECRETS: [&str; 7] = ["api-key", "csrf", "nonce", "session", "session-id", "token", "xsrf"];

fn is_of_request(name: &str) -> bool {
    let is_secret = |secret: &&str| {
        name.strip_suffix(*secret).is_some_and(|rest| rest.is_empty() || rest.ends_with('-'))
    };
    REQUESTS.binary_search(&name).is_ok()
        || REQUEST_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SECRETS.iter().any(is_secret)
}

impl StrippedHeaders {
    pub(in crate::http) fn add(&mut self, name: HeaderName) {
        self.kept.retain(|kept| *kept != name);
        self.stripped.push(name);
    }

    /// Keeps a header that is stripped by default.
    pub(in crate::http) fn keep(&mut self, name: HeaderName) {
        self.stripped.retain(|stripped| *stripped != name);
        self.kept.push(name);
    }

    pub(in crate::http) fn add_pattern(&mut self, pattern: HeaderPattern) {
        self.stripped_patterns.push(pattern);
    }

    /// Strips what matches none of these. What is named as kept remains.
    pub(in crate::http) fn keep_only(&mut self, patterns: Vec<HeaderPattern>) {
        self.only = Some(patterns);
    }

    /// The headers that remain, with all their lines, of a response whose body has `body_length` bytes.
    pub(crate) fn strip(&self, headers: &HeaderMap, body_length: usize) -> HeaderMap {
        let mut remaining = HeaderMap::with_capacity(headers.keys_len());
        for (name, value) in headers {
            if self.remains(name) {
                remaining.append(name.clone(), value.clone());
            }
        }
        remove_named(&mut remaining, headers);
        remove_wrong_length(&mut remaining, body_length);
        remaining
    }

    fn remains(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        if is_of_connection(text) || self.stripped.contains(name) {
            return false;
        }
        let matches =
            |patterns: &[HeaderPattern]| patterns.iter().any(|pattern| pattern.matches(text));
        self.kept.contains(name)
            || !(is_of_request(text)
                || matches(&self.stripped_patterns)
                || self.only.as_deref().is_some_and(|only| !matches(only)))
    }
}

/// Removes what would frame another message from headers that were stored. They never contain it, unless
/// somebody else wrote them.
pub(super) fn remove_framing(headers: &mut HeaderMap, body_length: usize) {
    if headers.keys().any(|name| is_of_connection(name.as_str())) {
        let stored = std::mem::take(headers);
        for (name, value) in &stored {
            if !is_of_connection(name.as_str()) {
                headers.append(name.clone(), value.clone());
            }
        }
        remove_named(headers, &stored);
    }
    remove_wrong_length(headers, body_length);
}

/// Removes the headers that `Connection` names.
fn remove_named(remaining: &mut HeaderMap, headers: &HeaderMap) {
    for value in headers.get_all(CONNECTION) {
        for name in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                remaining.remove(name);
            }
        }
    }
}

/// A wrong length would garble the next response on the connection, and so would two.
fn remove_wrong_length(headers: &mut HeaderMap, body_length: usize) {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return };
    if lengths.next().is_some() || length.as_bytes() != body_length.to_string().as_bytes() {
        headers.remove(CONTENT_LENGTH);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let lines = lines.iter().copied();
        lines
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            })
    }

    #[test]
    fn only_what_belongs_to_the_response_is_kept() {
        let mut stripped = StrippedHeaders::default();
        stripped.add(HeaderName::from_static("x-internal"));
        let headers = map(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("date", "now"),
            ("connection", "x-hop, X-Other"),
            ("connection", "close"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-internal", "7"),
            ("access-control-allow-origin", "https://a.example"),
            ("server-timing", "db;dur=53"),
            ("traceparent", "00-1"),
            ("x-ratelimit-remaining", "3"),
            ("location", "/orders/1"),
            ("link", "</a>"),
            ("link", "</b>"),
            ("content-length", "5"),
        ]);
        let remaining = stripped.strip(&headers, 5);
        let all = [
            ("location", "/orders/1"),
            ("link", "</a>"),
            ("link", "</b>"),
            ("content-length", "5"),
        ];
        assert_eq!(remaining, map(&all));
        assert_eq!(stripped.strip(&headers, 6), map(&all[..3]));
    }

    #[test]
    fn what_is_stripped_by_default_can_be_kept_and_what_belongs_to_a_connection_cannot() {
        let name = HeaderName::from_static;
        let mut stripped = StrippedHeaders::default();
        for header in ["x-request-id", "access-control-allow-origin", "upgrade", "etag"] {
            stripped.keep(name(header));
        }
        stripped.add(name("etag"));
        let headers = map(&[
            ("x-request-id", "7"),
            ("access-control-allow-origin", "*"),
            ("upgrade", "h2c"),
            ("etag", "1"),
            ("tracestate", "a=b"),
        ]);
        let kept = [("x-request-id", "7"), ("access-control-allow-origin", "*")];
        assert_eq!(stripped.strip(&headers, 0), map(&kept));
    }

    #[test]
    fn two_lengths_are_none() {
        let headers = map(&[("content-length", "5"), ("content-length", "6"), ("etag", "1")]);
        assert_eq!(StrippedHeaders::default().strip(&headers, 5), map(&[("etag", "1")]));
    }

    #[test]
    fn secrets_and_what_belongs_to_a_session_are_stripped_and_what_only_looks_like_it_remains() {
        for name in [
            "authentication-info",
            "www-authenticate",
            "clear-site-data",
            "x-auth-token",
            "token",
            "x-csrf-token",
            "refresh-token",
            "session-id",
            "x-session",
            "dpop-nonce",
            "x-api-key",
            "x-auth-user",
            "rate-limit-reset",
        ] {
            assert!(is_of_request(name), "{name}");
        }
        for name in ["x-tokens-used", "x-order-id", "obsession", "etag", "x-author", "link"] {
            assert!(!is_of_request(name), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_kept_outweighs_patterns() {
        let mut stripped = StrippedHeaders::default();
        stripped.add_pattern(HeaderPattern::new("x-internal-*"));
        stripped.keep_only(vec![HeaderPattern::new("x-*"), HeaderPattern::new("etag")]);
        stripped.keep(HeaderName::from_static("x-internal-id"));
        let headers = map(&[
            ("etag", "1"),
            ("x-order", "1"),
            ("x-internal-id", "1"),
            ("x-internal-host", "1"),
            ("location", "/"),
            ("x-request-id", "1"),
        ]);
        let kept = [("etag", "1"), ("x-order", "1"), ("x-internal-id", "1")];
        assert_eq!(stripped.strip(&headers, 0), map(&kept));
    }

    #[test]
    fn the_names_are_in_order_since_they_are_searched() {
        assert!(REQUESTS.is_sorted());
    }
}
