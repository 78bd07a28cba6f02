//! Which responses are delivered and not kept, by what their head says.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, response};

/// Whether a response makes no sense a second time: a changed protocol, a tunnel, a part of
/// something, or a stream.
pub(in crate::http) fn by_nature(method: &Method, parts: &response::Parts) -> bool {
    parts.status.is_informational()
        || parts.status == StatusCode::PARTIAL_CONTENT
        || (*method == Method::CONNECT && parts.status.is_success())
        || parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).is_some_and(is_stream)
}

/// Media types that have no end.
fn is_stream(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    [&b"text/event-stream"[..], b"multipart/x-mixed-replace"]
        .iter()
        .any(|stream| essence.eq_ignore_ascii_case(stream))
}

/// Whether the response says that nobody is to store it.
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
    fn what_makes_no_sense_twice_is_not_kept() {
        for (method, status, content_type, unkept) in [
            (Method::POST, 200, "text/plain", false),
            (Method::POST, 101, "text/plain", true),
            (Method::POST, 206, "text/plain", true),
            (Method::CONNECT, 200, "text/plain", true),
            (Method::CONNECT, 404, "text/plain", false),
            (Method::POST, 200, "Text/Event-Stream; charset=utf-8", true),
            (Method::POST, 200, "multipart/x-mixed-replace;boundary=b", true),
        ] {
            let parts = parts(status, content_type);
            assert_eq!(by_nature(&method, &parts), unkept, "{method} {status} {content_type}");
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
