//! How a layer treats a request, decided before its body is read.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Version};

use super::settings::Settings;
use crate::http::problem::Problem;
use crate::http::{IdempotencyKey, InvalidKey};

pub(super) enum RequestKind {
    /// Passed on as is.
    Unguarded,
    /// Passed on as is, although its method is guarded.
    Grpc,
    Guarded(IdempotencyKey),
    Refused(Problem),
}

impl RequestKind {
    pub(super) fn of<B>(request: &Request<B>, settings: &Settings) -> Self {
        if !settings.methods.contains(request.method()) {
            return Self::Unguarded;
        }
        let (name, max_bytes) = (&settings.header, settings.max_key_bytes());
        let key = IdempotencyKey::from_headers_up_to(request.headers(), name, max_bytes);
        let passes = matches!(key, Ok(None)) && !settings.required;
        // gRPC requires HTTP/2. gRPC-Web does not, but it only matters here if it does not pass anyway.
        if (!passes || request.version() == Version::HTTP_2) && is_grpc(request.headers()) {
            return Self::Grpc;
        }
        let refused = |why| Self::Refused(Problem::of_key(why, name));
        match key {
            Ok(Some(key)) if settings.scope.is_weak(&key) => refused(InvalidKey::Weak),
            Ok(Some(key)) => Self::Guarded(key),
            Ok(None) if settings.required => refused(InvalidKey::Missing),
            Ok(None) => Self::Unguarded,
            Err(error) => refused(error),
        }
    }
}

/// gRPC and gRPC-Web, whose status is not the status of the HTTP response.
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let start = content_type.and_then(|content_type| content_type.get(..GRPC.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}
