//! Media types, compared exactly: a name that only begins like another one is another type.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

/// The type and subtype of a `Content-Type`, without its parameters.
pub(super) fn essence(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether a `Content-Type` is of this type, whatever its parameters.
pub(super) fn is(content_type: &[u8], media_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case(media_type.as_bytes())
}

/// A protocol whose status is not the status of the HTTP response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rpc {
    /// It needs HTTP/2.
    Grpc,
    GrpcWeb,
}

impl Rpc {
    /// The protocol that any line of `Content-Type` names.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let first = headers.get(CONTENT_TYPE)?;
        if let Some(rpc) = Self::named(first.as_bytes()) {
            return Some(rpc);
        }
        // A search for all lines costs more, and hardly any request has several of one header.
        if headers.len() == headers.keys_len() {
            return None;
        }
        let others = headers.get_all(CONTENT_TYPE).iter().skip(1);
        others.map(HeaderValue::as_bytes).find_map(Self::named)
    }

    fn named(content_type: &[u8]) -> Option<Self> {
        // The fast path: most requests have another type.
        let essence = essence(content_type);
        essence.get(..16).filter(|start| start.eq_ignore_ascii_case(b"application/grpc"))?;
        let (name, format) = match essence.iter().position(|byte| *byte == b'+') {
            Some(plus) => (&essence[..plus], Some(&essence[plus + 1..])),
            None => (essence, None),
        };
        if format.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"application/grpc" => Some(Self::Grpc),
            b"application/grpc-web" | b"application/grpc-web-text" => Some(Self::GrpcWeb),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registered_types_are_grpc() {
        for (content_type, rpc) in [
            ("application/grpc", Some(Rpc::Grpc)),
            ("application/grpc+proto", Some(Rpc::Grpc)),
            ("Application/GRPC+json; charset=utf-8", Some(Rpc::Grpc)),
            ("application/grpc-web", Some(Rpc::GrpcWeb)),
            ("application/grpc-web-text+proto", Some(Rpc::GrpcWeb)),
            ("application/grpcx", None),
            ("application/grpc-evil", None),
            ("application/grpc+", None),
            ("application/grpc/json", None),
            ("application/json; a=application/grpc", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(Rpc::named(content_type.as_bytes()), rpc, "{content_type}");
        }
    }

    #[test]
    fn a_type_that_begins_like_another_is_another() {
        assert!(is(b"Application/Problem+JSON ; charset=utf-8", "application/problem+json"));
        assert!(!is(b"application/problem+jsonl", "application/problem+json"));
    }
}
