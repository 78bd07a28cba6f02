//! What makes two requests the same request: method, host, path, query, content type and body.

mod content_type;
mod covered_headers;
mod error;
mod head_bytes;
mod json;
mod query;
mod request_fingerprint;
mod request_head;

pub use self::error::FingerprintError;
pub use self::request_fingerprint::RequestFingerprint;
