//! A response that was kept: status, headers and body, and how it becomes bytes and comes back.
//!
//! ```text
//!  0  layout   u8    this layout is 1
//!  1  status   u16   little-endian
//!  3  count    LEB128: header lines
//!     each     LEB128 length, name; LEB128 length, value
//!     body     the rest
//! ```

mod body;
mod capture;
mod dropped;

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{Response, StatusCode};

pub use self::body::ResponseBody;
pub(super) use self::body::whole_frame;
pub(super) use self::capture::{Captured, Limits, capture};
pub(crate) use self::dropped::DroppedHeaders;
use super::lines::{Input, push_lines};
use crate::{Encoded, Undecodable};

/// The header of a response that is replayed, unless a layer names another.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long a body of unknown length may take, unless a layer says otherwise.
pub(super) const STREAM_AFTER: Duration = Duration::from_secs(1);

const LAYOUT: u8 = 1;

/// A response as it is kept and replayed: its status, its headers in their lines, its body.
///
/// It is a result of an operation like any other, by [`Encoded`].
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, StatusCode};
/// use idempotent_core::Encoded;
/// use idempotent_core::http::StoredResponse;
///
/// let stored = StoredResponse::new(StatusCode::CREATED, HeaderMap::new(), "receipt".into());
/// let mut bytes = Vec::new();
/// stored.encode(&mut bytes);
/// assert_eq!(StoredResponse::decode(&bytes), Ok(stored));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct StoredResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl StoredResponse {
    /// A response of these parts.
    #[must_use]
    pub const fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body }
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers, without those that are never kept.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Its body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The response, with whatever body can be made of its bytes.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl Encoded for StoredResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        out.extend_from_slice(&self.status.as_u16().to_le_bytes());
        push_lines(out, &self.headers);
        out.extend_from_slice(&self.body);
    }

    fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut input = Input::new(bytes);
        if input.take(1)? != [LAYOUT] {
            return Err(Undecodable);
        }
        let status = input.take(2)?;
        let status = u16::from_le_bytes([status[0], status[1]]);
        let status = StatusCode::from_u16(status).map_err(|_| Undecodable)?;
        let headers = input.lines()?;
        Ok(Self { status, headers, body: Bytes::copy_from_slice(input.rest()) })
    }
}

impl std::fmt::Debug for StoredResponse {
    /// Without headers and body, which may be somebody's secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body", &self.body.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::http::lines::{push_bytes, push_length};

    fn stored() -> StoredResponse {
        let mut headers = HeaderMap::new();
        headers.append("x-line", HeaderValue::from_static("one"));
        headers.append("etag", HeaderValue::from_static("\"1\""));
        headers.append("x-line", HeaderValue::from_static("two"));
        headers.append("x-obs", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("x-empty", HeaderValue::from_static(""));
        StoredResponse::new(StatusCode::CREATED, headers, Bytes::from_static(b"\0\xff body"))
    }

    fn encoded(stored: &StoredResponse) -> Vec<u8> {
        let mut bytes = Vec::new();
        stored.encode(&mut bytes);
        bytes
    }

    #[test]
    fn every_byte_survives() {
        let decoded = StoredResponse::decode(&encoded(&stored())).unwrap();
        assert_eq!(decoded, stored());
        let lines: Vec<_> = decoded.headers().get_all("x-line").iter().collect();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn long_values_and_bodies_survive() {
        let mut headers = HeaderMap::new();
        headers.insert("x-long", HeaderValue::try_from("v".repeat(40_000)).unwrap());
        let long = StoredResponse::new(StatusCode::OK, headers, Bytes::from(vec![7; 300_000]));
        assert_eq!(StoredResponse::decode(&encoded(&long)), Ok(long));
    }

    /// Processes of two versions share records, so what is written is read by every later one.
    #[test]
    fn the_bytes_are_the_same_in_every_version() {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("1"));
        let stored = StoredResponse::new(StatusCode::CREATED, headers, "ok".into());
        assert_eq!(encoded(&stored), b"\x01\xc9\x00\x01\x04etag\x011ok");
    }

    #[test]
    fn what_is_cut_within_its_head_is_not_a_response() {
        let bytes = encoded(&stored());
        let head = bytes.len() - stored().body().len();
        for length in 0..head {
            assert_eq!(StoredResponse::decode(&bytes[..length]), Err(Undecodable), "{length}");
        }
    }

    #[test]
    fn more_headers_than_a_map_holds_are_not_a_response() {
        let mut bytes = vec![LAYOUT, 200, 0];
        push_length(&mut bytes, 40_000);
        for line in 0..40_000 {
            push_bytes(&mut bytes, format!("x-{line}").as_bytes());
            push_bytes(&mut bytes, b"v");
        }
        assert_eq!(StoredResponse::decode(&bytes), Err(Undecodable));
    }
}
