//! Which headers of a response are not kept.

use http::HeaderMap;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// The headers that are not kept: those of a user's session, of one connection, and of one moment,
/// and those that a layer adds itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct DroppedHeaders(Vec<HeaderName>);

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

impl DroppedHeaders {
    pub(in crate::http) fn add(&mut self, name: HeaderName) {
        self.0.push(name);
    }

    /// The headers of a response that are kept, every line of them, with a body of that length.
    pub(crate) fn keep(&self, headers: &HeaderMap, body: usize) -> HeaderMap {
        let mut kept = headers.clone();
        for name in ALWAYS.iter().chain(&self.0) {
            kept.remove(name);
        }
        for value in headers.get_all(CONNECTION) {
            for name in value.as_bytes().split(|byte| *byte == b',') {
                if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                    kept.remove(name);
                }
            }
        }
        // A length that is not the body's would cut the next answer on the connection.
        let is_true = |value: &http::HeaderValue| value.as_bytes() == body.to_string().as_bytes();
        if !headers.get(CONTENT_LENGTH).is_some_and(is_true) {
            kept.remove(CONTENT_LENGTH);
        }
        kept
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
        let mut dropped = DroppedHeaders::default();
        dropped.add(HeaderName::from_static("x-request-id"));
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
        let kept = dropped.keep(&headers, 5);
        let all = [
            ("location", "/orders/1"),
            ("link", "</a>"),
            ("link", "</b>"),
            ("content-length", "5"),
        ];
        assert_eq!(kept, map(&all));
        assert_eq!(dropped.keep(&headers, 6), map(&all[..3]));
    }
}
