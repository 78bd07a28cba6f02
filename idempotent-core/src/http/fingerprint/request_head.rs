//! What a fingerprint covers besides the body.

use http::header::CONTENT_ENCODING;
use http::request::Parts;

use super::content_type::ContentType;
use super::json::{self, Pointer};
use crate::codec;
use crate::http::framing::push_bytes;

/// The encoding of a request's head, in length-prefixed parts.
pub(super) struct RequestHead(Vec<u8>);

/// The version of the encoding. Change it with the encoding, because processes of different versions
/// compare fingerprints.
const LAYOUT: &[u8] = b"http 1";

impl RequestHead {
    pub(super) fn of(parts: &Parts, content_type: &ContentType<'_>) -> Self {
        let encoding = parts.headers.get(CONTENT_ENCODING);
        let mut head = Self(Vec::with_capacity(512));
        head.push(LAYOUT);
        head.push(parts.method.as_str().as_bytes());
        head.push(path(parts).as_bytes());
        head.push_query(parts.uri.query().unwrap_or_default());
        head.push(content_type.essence.as_bytes());
        head.push(encoding.map_or(&[][..], |encoding| encoding.as_bytes()));
        head
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        push_bytes(&mut self.0, bytes);
    }

    /// The digest of the head and of a body of this kind.
    pub(super) fn digest(mut self, kind: &[u8], body: &[u8]) -> codec::Digest {
        self.push(kind);
        blake3::Hasher::new().update(&self.0).update(body).finalize().into()
    }

    /// The digest of the head and of a JSON body: of its value, or of its bytes if the value has no
    /// canonical form.
    pub(super) fn digest_of_json(mut self, body: &[u8], excluded: &[Pointer]) -> codec::Digest {
        let length = self.0.len();
        self.push(b"json");
        if json::push_canonical(&mut self.0, body, excluded) {
            return blake3::hash(&self.0).into();
        }
        self.0.truncate(length);
        self.digest(b"raw", body)
    }

    /// Sorts the parameters by name. Parameters with the same name keep their order.
    fn push_query(&mut self, query: &str) {
        let name_length =
            |parameter: &&str| parameter.len().min(parameter.find('=').unwrap_or(usize::MAX));
        if !query.contains('&') {
            self.push(query.as_bytes());
            return;
        }
        let mut parameters: Vec<&str> = query.split('&').collect();
        parameters.sort_by(|a, b| a[..name_length(a)].cmp(&b[..name_length(b)]));
        self.push(parameters.join("&").as_bytes());
    }
}

/// The path that the client requested. A nested router sees only the rest of it, which may be the same
/// in two of them.
fn path(parts: &Parts) -> &str {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return original.0.path();
    }
    parts.uri.path()
}
