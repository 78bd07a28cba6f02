//! A stored response: status, headers and body, and their encoding.
//!
//! ```text
//!  0  layout   u8    1
//!  1  status   u16   little-endian
//!  3  count    LEB128: header lines
//!     each     LEB128 length, name; LEB128 length, value
//!     body     the rest
//! ```

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName};
use http::{Response, StatusCode};

use super::stripped_headers::remove_framing;
use crate::call::{BinaryResult, InvalidBytes};
use crate::http::framing::{Reader, framed_len, length_len, push_headers};

/// The header that marks a replay, unless a layer names another.
pub(in crate::http) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

const LAYOUT: u8 = 1;

/// The status, headers and body that are stored and replayed.
///
/// It implements [`BinaryResult`], so an operation can return it like any other result.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderMap, StatusCode};
/// use idempotent_core::call::BinaryResult;
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
    /// Makes a response of its parts.
    #[must_use]
    pub const fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers, without those that are never stored.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many bytes the engine stores for it: its encoding, and one that tells results from errors.
    pub(super) fn payload_len(&self) -> usize {
        let lines = self.headers.iter();
        let lines =
            lines.map(|(name, value)| framed_len(name.as_str().len()) + framed_len(value.len()));
        let headers = length_len(self.headers.len()) + lines.sum::<usize>();
        1 + 1 + 2 + headers + self.body.len()
    }

    /// Converts it into a response with any body that can be made from bytes.
    #[must_use]
    pub fn into_response<B: From<Bytes>>(self) -> Response<B> {
        let mut response = Response::new(B::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

impl BinaryResult for StoredResponse {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        out.extend_from_slice(&self.status.as_u16().to_le_bytes());
        push_headers(out, &self.headers);
        out.extend_from_slice(&self.body);
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
        let mut reader = Reader::new(bytes);
        if reader.take(1)? != [LAYOUT] {
            return Err(InvalidBytes);
        }
        let status = reader.take(2)?;
        let status = u16::from_le_bytes([status[0], status[1]]);
        let status = StatusCode::from_u16(status).map_err(|_| InvalidBytes)?;
        let mut headers = reader.headers()?;
        let body = reader.rest();
        // Whoever wrote them, they must not frame another message than this.
        remove_framing(&mut headers, body.len());
        Ok(Self { status, headers, body: Bytes::copy_from_slice(body) })
    }
}

impl std::fmt::Debug for StoredResponse {
    /// Omits headers and body, which may contain secrets.
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
    use crate::http::framing::{push_bytes, push_length};

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

    /// Processes of different versions share records, so later versions must read these bytes.
    #[test]
    fn the_bytes_are_the_same_in_every_version() {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("1"));
        let stored = StoredResponse::new(StatusCode::CREATED, headers, "ok".into());
        assert_eq!(encoded(&stored), b"\x01\xc9\x00\x01\x04etag\x011ok");
    }

    #[test]
    fn the_length_is_known_before_it_is_encoded() {
        let mut headers = HeaderMap::new();
        for line in 0..200 {
            headers.append("x-line", HeaderValue::try_from("v".repeat(line * 100)).unwrap());
        }
        let long = StoredResponse::new(StatusCode::OK, headers, Bytes::from(vec![7; 300_000]));
        for stored in [stored(), long] {
            assert_eq!(stored.payload_len(), 1 + encoded(&stored).len());
        }
    }

    #[test]
    fn headers_that_would_frame_another_message_are_not_read_back() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("transfer-encoding", "chunked"),
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("upgrade", "h2c"),
            ("trailer", "x-later"),
            ("content-length", "70"),
            ("etag", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let forged = StoredResponse::new(StatusCode::OK, headers, "seven!!".into());
        let read = StoredResponse::decode(&encoded(&forged)).unwrap();
        assert_eq!(read.headers().keys().collect::<Vec<_>>(), ["etag"]);
        for (length, remain) in [("7", 1), ("07", 0), ("8", 0)] {
            let value = HeaderValue::from_static(length);
            let headers = HeaderMap::from_iter([(http::header::CONTENT_LENGTH, value)]);
            let stored = StoredResponse::new(StatusCode::OK, headers, "seven!!".into());
            let read = StoredResponse::decode(&encoded(&stored)).unwrap();
            assert_eq!(read.headers().len(), remain, "{length}");
        }
    }

    #[test]
    fn what_is_cut_within_its_head_is_not_a_response() {
        let bytes = encoded(&stored());
        let head = bytes.len() - stored().body().len();
        for length in 0..head {
            assert_eq!(StoredResponse::decode(&bytes[..length]), Err(InvalidBytes), "{length}");
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
        assert_eq!(StoredResponse::decode(&bytes), Err(InvalidBytes));
    }
}
