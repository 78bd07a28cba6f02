//! The requests of every side.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use bytes::Bytes;

/// Keys that replays choose from.
pub(crate) const REPLAYED: u64 = 1_000;

pub(crate) const BODY: &str = concat!(
    r#"{"order":4242424242,"card":"card_1J2k3L4m5N6o7P8q","amount":12345,"currency":"EUR","#,
    r#""street":"Rue de la République 12","city":"Marseille","#,
    r#""note":"three books, wrapped one by one, left at the door"}"#
);

/// The 36 characters of key `n`, as a UUID has them.
pub(crate) fn key(n: u64) -> String {
    format!("{:08x}-40d5-43e8-bc93-{n:012x}", n as u32)
}

/// A key that nobody has used.
pub(crate) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(REPLAYED);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn request(key: Option<u64>) -> Request<Body> {
    let mut request = Request::post("/orders")
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
        .header("x-account", HeaderValue::from_static("alice"));
    if let Some(n) = key {
        request = request.header("idempotency-key", key_header(n));
    }
    request.body(Body::from(Bytes::from_static(BODY.as_bytes()))).expect("its parts are valid")
}

fn key_header(n: u64) -> HeaderValue {
    HeaderValue::try_from(key(n)).expect("keys are ASCII")
}
