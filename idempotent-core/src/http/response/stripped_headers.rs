//! The headers that are stripped before a response is stored.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// Strips headers that belong to a user's session, to one connection or to one moment, and those that
/// a layer names.
#[derive(Clone, Debug, Default)]
pub(crate) struct StrippedHeaders(Vec<HeaderName>);

const ALWAYS: [HeaderName; 11] = [
    SET_COOKIE,
    DATE,
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl StrippedHeaders {
    pub(in crate::http) fn add(&mut self, name: HeaderName) {
        self.0.push(name);
    }

    /// The headers that remain, with all their lines, of a response whose body has `body_length` bytes.
    pub(crate) fn strip(&self, headers: &HeaderMap, body_length: usize) -> HeaderMap {
        let mut remaining = headers.clone();
        for name in ALWAYS.iter().chain(&self.0) {
            remaining.remove(name);
        }
        for value in headers.get_all(CONNECTION) {
            for name in value.as_bytes().split(|byte| *byte == b',') {
                if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                    remaining.remove(name);
                }
            }
        }
        // A wrong length would garble the next response on the connection.
        let is_right =
            |value: &http::HeaderValue| value.as_bytes() == body_length.to_string().as_bytes();
        if !headers.get(CONTENT_LENGTH).is_some_and(is_right) {
            remaining.remove(CONTENT_LENGTH);
        }
        remaining
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
        stripped.add(HeaderName::from_static("x-request-id"));
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
            ("x-request-id", "7"),
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
}
