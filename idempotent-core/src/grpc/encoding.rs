//! The encoding of stored responses and statuses.
//!
//! ```text
//! a response                          a status
//!  0  layout    u8: 1                  0  layout    u8: 1
//!  1  metadata  as header lines        1  code      u8
//!     message   as prost encodes it    2  message   LEB128 length, UTF-8
//!                                         details   LEB128 length, bytes
//!                                         metadata  as header lines
//! ```
//!
//! Values of binary metadata are written in base64, as they are sent.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Response, Status};

use crate::call::{BinaryResult, InvalidBytes};
use crate::http::framing::{Reader, push_bytes, push_headers};
use crate::http::{StrippedHeaders, is_of_connection};

/// The metadata key that marks a replay: `idempotency-replayed`, with the value `true`.
pub const REPLAYED: &str = "idempotency-replayed";

const LAYOUT: u8 = 1;

impl<M: prost::Message + Default> BinaryResult for Response<M> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        push_headers(out, &stored_metadata(self.metadata()));
        out.extend_from_slice(&self.get_ref().encode_to_vec());
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
        let mut reader = checked_layout(bytes)?;
        let metadata = read_metadata(&mut reader)?;
        let message = M::decode(reader.rest()).map_err(|_| InvalidBytes)?;
        Ok(Self::from_parts(metadata, message, Extensions::default()))
    }

    fn replayed(mut self) -> Self {
        mark_as_replay(self.metadata_mut());
        self
    }
}

impl BinaryResult for Status {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[LAYOUT, self.code() as u8]);
        push_bytes(out, self.message().as_bytes());
        push_bytes(out, self.details());
        push_headers(out, &stored_metadata(self.metadata()));
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> {
        let mut reader = checked_layout(bytes)?;
        let code = Code::from(i32::from(reader.take(1)?[0]));
        let message = std::str::from_utf8(reader.bytes()?).map_err(|_| InvalidBytes)?.to_owned();
        let details = reader.bytes()?.to_vec().into();
        let metadata = read_metadata(&mut reader)?;
        Ok(Self::with_details_and_metadata(code, message, details, metadata))
    }

    fn replayed(mut self) -> Self {
        mark_as_replay(self.metadata_mut());
        self
    }
}

fn checked_layout(bytes: &[u8]) -> Result<Reader<'_>, InvalidBytes> {
    let mut reader = Reader::new(bytes);
    match reader.take(1)? {
        [LAYOUT] => Ok(reader),
        _ => Err(InvalidBytes),
    }
}

/// What [`stored_metadata`] left, whoever wrote it.
fn read_metadata(reader: &mut Reader<'_>) -> Result<MetadataMap, InvalidBytes> {
    let headers = reader.headers()?;
    if !headers.keys().any(is_of_protocol) {
        return Ok(MetadataMap::from_headers(headers));
    }
    let kept = headers.iter().filter(|(name, _)| !is_of_protocol(name));
    let kept = kept.map(|(name, value)| (name.clone(), value.clone()));
    Ok(MetadataMap::from_headers(kept.fold(HeaderMap::new(), |mut kept, (name, value)| {
        kept.append(name, value);
        kept
    })))
}

/// Whether a header is one of gRPC or HTTP itself.
fn is_of_protocol(name: &HeaderName) -> bool {
    *name == CONTENT_TYPE
        || *name == CONTENT_LENGTH
        || name.as_str().starts_with("grpc-")
        || is_of_connection(name.as_str())
}

fn mark_as_replay(metadata: &mut MetadataMap) {
    metadata.insert(REPLAYED, MetadataValue::from_static("true"));
}

/// The metadata without that of the protocols. A method that returns the response of another call may
/// also return what gRPC and HTTP said there about a connection and a message.
fn stored_metadata(metadata: &MetadataMap) -> HeaderMap {
    let headers = metadata.clone().into_headers();
    let mut stored = StrippedHeaders::default().strip(&headers, 0);
    for name in headers.keys().filter(|name| is_of_protocol(name)) {
        stored.remove(name);
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Receipt {
        #[prost(uint64, tag = "1")]
        number: u64,
    }

    fn encoded(value: &impl BinaryResult) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        bytes
    }

    fn response() -> Response<Receipt> {
        let mut response = Response::new(Receipt { number: 7 });
        response.metadata_mut().insert("etag", MetadataValue::from_static("1"));
        response
    }

    fn status() -> Status {
        let details = vec![0, 0xff].into();
        let metadata = response().metadata().clone();
        Status::with_details_and_metadata(Code::NotFound, "ñ", details, metadata)
    }

    /// Processes of different versions share records, so later versions must read these bytes.
    #[test]
    fn the_bytes_are_the_same_in_every_version() {
        assert_eq!(encoded(&response()), b"\x01\x01\x04etag\x011\x08\x07");
        assert_eq!(encoded(&status()), b"\x01\x05\x02\xc3\xb1\x02\x00\xff\x01\x04etag\x011");
    }

    #[test]
    fn metadata_of_the_protocols_is_not_read_back_whoever_wrote_it() {
        let lines =
            [("grpc-status", "0"), ("te", "trailers"), ("content-length", "9"), ("etag", "1")];
        let headers = lines.map(|(name, value)| {
            (HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        let mut forged = vec![LAYOUT];
        push_headers(&mut forged, &HeaderMap::from_iter(headers));
        let read = Response::<Receipt>::decode(&forged).unwrap();
        assert_eq!(
            (read.metadata().len(), read.metadata().get("etag").unwrap().as_bytes()),
            (1, &b"1"[..])
        );
    }

    #[test]
    fn every_byte_survives() {
        let decoded = Response::<Receipt>::decode(&encoded(&response())).unwrap();
        assert_eq!(decoded.get_ref(), response().get_ref());
        assert_eq!(decoded.metadata().get("etag").unwrap(), "1");
        let decoded = Status::decode(&encoded(&status())).unwrap();
        assert_eq!((decoded.code(), decoded.message()), (Code::NotFound, "ñ"));
        assert_eq!(decoded.details(), [0, 0xff]);
        assert_eq!(decoded.metadata().get("etag").unwrap(), "1");
    }

    #[test]
    fn truncated_bytes_are_invalid() {
        let (response, status) = (encoded(&response()), encoded(&status()));
        for length in 0..response.len() - 2 {
            assert!(Response::<Receipt>::decode(&response[..length]).is_err(), "{length}");
        }
        for length in 0..status.len() {
            assert!(Status::decode(&status[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn another_layout_is_invalid() {
        let (mut response, mut status) = (encoded(&response()), encoded(&status()));
        response[0] = 2;
        status[0] = 2;
        assert!(Response::<Receipt>::decode(&response).is_err());
        assert!(Status::decode(&status).is_err());
    }

    #[test]
    fn metadata_of_another_connection_is_not_stored() {
        let mut metadata = MetadataMap::new();
        for name in ["grpc-encoding", "grpc-status", "content-type", "content-length", "date"] {
            metadata.insert(name, MetadataValue::from_static("0"));
        }
        metadata.insert("x-trace", MetadataValue::from_static("7"));
        let names: Vec<_> = stored_metadata(&metadata).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Some(HeaderName::from_static("x-trace"))]);
    }

    #[test]
    fn metadata_of_a_request_or_a_session_is_not_stored() {
        let mut response = Response::new(Receipt { number: 7 });
        for name in [
            "traceparent",
            "x-request-id",
            "server-timing",
            "set-cookie",
            "grpc-trace-bin",
            "x-line",
        ] {
            let name = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_bytes());
            if let Ok(name) = name {
                response.metadata_mut().insert(name, MetadataValue::from_static("1"));
            }
        }
        let decoded = Response::<Receipt>::decode(&encoded(&response)).unwrap();
        let names: Vec<_> = decoded.metadata().clone().into_headers().into_iter().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        assert!(decoded.metadata().contains_key("x-line"));
    }
}
