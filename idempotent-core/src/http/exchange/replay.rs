//! Replaying a stored response.

use bytes::Bytes;
use http::Response;
use http::header::{HeaderName, HeaderValue};

use crate::http::StoredResponse;

/// The stored response, marked as a replay by a header of this name.
pub(in crate::http) fn replay<B: From<Bytes>>(
    stored: StoredResponse,
    replayed_header: HeaderName,
) -> Response<B> {
    let mut response = stored.into_response();
    response.headers_mut().insert(replayed_header, HeaderValue::from_static("true"));
    response
}
