//! Responses and statuses that are kept: how they become bytes and come back.
//!
//! ```text
//! a response                            a status
//!  0  layout   u8: this one is 1         0  layout   u8: this one is 1
//!  1  metadata, as lines of a header     1  code     u8
//!     message, as prost encodes it       2  message  LEB128 length, UTF-8
//!                                           details  LEB128 length, bytes
//!                                           metadata, as lines of a header
//! ```
//!
//! The values of binary metadata are written as they are sent, in base64.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Extensions, Response, Status};

use crate::http::DroppedHeaders;
use crate::http::lines::{Input, push_bytes, push_lines};
use crate::{Encoded, Undecodable};

/// The metadata of an answer that is replayed, `idempotency-replayed`; its value is `true`.
pub const REPLAYED: &str = "idempotency-replayed";

const LAYOUT: u8 = 1;

impl<M: prost::Message + Default> Encoded for Response<M> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        push_lines(out, &kept(self.metadata()));
        out.extend_from_slice(&self.get_ref().encode_to_vec());
    }

    fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut input = laid_out(bytes)?;
        let metadata = MetadataMap::from_headers(input.lines()?);
        let message = M::decode(input.rest()).map_err(|_| Undecodable)?;
        Ok(Self::from_parts(metadata, message, Extensions::default()))
    }

    fn replayed(mut self) -> Self {
        mark(self.metadata_mut());
        self
    }
}

impl Encoded for Status {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[LAYOUT, self.code() as u8]);
        push_bytes(out, self.message().as_bytes());
        push_bytes(out, self.details());
        push_lines(out, &kept(self.metadata()));
    }

    fn decode(bytes: &[u8]) -> Result<Self, Undecodable> {
        let mut input = laid_out(bytes)?;
        let code = Code::from(i32::from(input.take(1)?[0]));
        let message = std::str::from_utf8(input.prefixed()?).map_err(|_| Undecodable)?.to_owned();
        let details = input.prefixed()?.to_vec().into();
        let metadata = MetadataMap::from_headers(input.lines()?);
        Ok(Self::with_details_and_metadata(code, message, details, metadata))
    }

    fn replayed(mut self) -> Self {
        mark(self.metadata_mut());
        self
    }
}

fn laid_out(bytes: &[u8]) -> Result<Input<'_>, Undecodable> {
    let mut input = Input::new(bytes);
    match input.take(1)? {
        [LAYOUT] => Ok(input),
        _ => Err(Undecodable),
    }
}

fn mark(metadata: &mut MetadataMap) {
    metadata.insert(REPLAYED, MetadataValue::from_static("true"));
}

/// What belongs to the answer. A method that passes on another's also has what gRPC and HTTP said
/// there of one connection and one message.
fn kept(metadata: &MetadataMap) -> HeaderMap {
    let headers = metadata.clone().into_headers();
    let mut kept = DroppedHeaders::default().keep(&headers, 0);
    let protocol = |name: &&HeaderName| {
        *name == CONTENT_TYPE || *name == CONTENT_LENGTH || name.as_str().starts_with("grpc-")
    };
    for name in headers.keys().filter(protocol) {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Receipt {
        #[prost(uint64, tag = "1")]
        number: u64,
    }

    fn encoded(value: &impl Encoded) -> Vec<u8> {
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

    /// Processes of two versions share records, so what is written is read by every later one.
    #[test]
    fn the_bytes_are_the_same_in_every_version() {
        assert_eq!(encoded(&response()), b"\x01\x01\x04etag\x011\x08\x07");
        assert_eq!(encoded(&status()), b"\x01\x05\x02\xc3\xb1\x02\x00\xff\x01\x04etag\x011");
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
    fn what_is_cut_within_its_head_is_no_answer() {
        let (response, status) = (encoded(&response()), encoded(&status()));
        for length in 0..response.len() - 2 {
            assert!(Response::<Receipt>::decode(&response[..length]).is_err(), "{length}");
        }
        for length in 0..status.len() {
            assert!(Status::decode(&status[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn another_layout_is_not_guessed_at() {
        let (mut response, mut status) = (encoded(&response()), encoded(&status()));
        response[0] = 2;
        status[0] = 2;
        assert!(Response::<Receipt>::decode(&response).is_err());
        assert!(Status::decode(&status).is_err());
    }

    #[test]
    fn what_another_hop_said_of_its_connection_is_not_kept() {
        let mut metadata = MetadataMap::new();
        for name in ["grpc-encoding", "grpc-status", "content-type", "content-length", "date"] {
            metadata.insert(name, MetadataValue::from_static("0"));
        }
        metadata.insert("x-trace", MetadataValue::from_static("7"));
        let names: Vec<_> = kept(&metadata).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Some(HeaderName::from_static("x-trace"))]);
    }
}
