//! What must hold of any value of the header `Idempotency-Key`.

use http::{HeaderMap, HeaderValue};
use idempotent_core::http::IdempotencyKey;

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let key = IdempotencyKey::from_bytes(bytes);
    if let Ok(value) = HeaderValue::from_bytes(bytes) {
        let headers = HeaderMap::from_iter([(IdempotencyKey::HEADER, value)]);
        let found = IdempotencyKey::from_headers(&headers, &IdempotencyKey::HEADER);
        assert_eq!(found.is_ok(), key.is_ok(), "it is one value of one header");
        assert!(found.map_or(true, |found| found == key.clone().ok()), "and reads as one");
    }
    let Ok(key) = key else { return };
    let text = key.as_str();
    assert!((1..=255).contains(&text.len()), "{} bytes", text.len());
    assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
    let sent = key.to_header_value();
    let read = IdempotencyKey::from_bytes(sent.as_bytes());
    assert_eq!(read, Ok(key), "sent as {sent:?}");
}
