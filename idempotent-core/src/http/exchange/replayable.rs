//! Which responses can be replayed, judging by their status and headers.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, response};

use crate::http::media_type;

/// Whether a response makes sense a second time. A protocol switch, a tunnel, partial content or a
/// stream does not.
pub(super) fn is_replayable(method: &Method, parts: &response::Parts) -> bool {
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    !(parts.status.is_informational()
        || parts.status == StatusCode::PARTIAL_CONTENT
        || (*method == Method::CONNECT && parts.status.is_success())
        || content_type.is_some_and(is_stream))
}

/// Media types of endless streams.
fn is_stream(content_type: &[u8]) -> bool {
    ["text/event-stream", "multipart/x-mixed-replace"]
        .iter()
        .any(|stream| media_type::is(content_type, stream))
}

/// Whether the response asks not to be stored.
pub(super) fn is_no_store(headers: &HeaderMap) -> bool {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-store"))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn parts(status: u16, content_type: &str) -> response::Parts {
        let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
        response.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_makes_no_sense_twice_is_not_replayable() {
        for (method, status, content_type, replayable) in [
            (Method::POST, 200, "text/plain", true),
            (Method::POST, 101, "text/plain", false),
            (Method::POST, 206, "text/plain", false),
            (Method::CONNECT, 200, "text/plain", false),
            (Method::CONNECT, 404, "text/plain", true),
            (Method::POST, 200, "Text/Event-Stream; charset=utf-8", false),
            (Method::POST, 200, "multipart/x-mixed-replace;boundary=b", false),
        ] {
            let parts = parts(status, content_type);
            let message = format!("{method} {status} {content_type}");
            assert_eq!(is_replayable(&method, &parts), replayable, "{message}");
        }
    }

    #[test]
    fn no_store_is_found_among_other_directives() {
        let is_no_store = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
            headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            is_no_store(&headers)
        };
        assert!(is_no_store("no-cache, No-Store"));
        assert!(!is_no_store("no-cache, x=\"no-store-not\""));
    }
}
