//! What a fingerprint covers besides the body.

use http::header::{CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Uri, uri::Authority};

use super::content_type::ContentType;
use super::json::{self, Pointer};
use super::query;
use crate::codec;
use crate::http::framing::push_bytes;

/// The encoding of a request's head: length-prefixed parts. Where there is a list of them, an empty list ends
/// it, which no part looks like.
pub(super) struct RequestHead(Vec<u8>);

/// The version of the encoding. Change it with the encoding, because processes of different versions
/// compare fingerprints.
const LAYOUT: &[u8] = b"http 2";

/// Headers that make another method of a request, where a middleware within reach knows them.
const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

impl RequestHead {
    pub(super) fn of(
        parts: &Parts,
        content_type: &ContentType<'_>,
        covers_host: bool,
        headers: &[HeaderName],
    ) -> Self {
        let mut head = Self(Vec::with_capacity(512));
        let uri = requested(parts);
        head.push(LAYOUT);
        head.push(parts.method.as_str().as_bytes());
        head.push(uri.path().as_bytes());
        query::push(&mut head, parts.uri.query());
        content_type.push(&mut head);
        head.push_lines(&parts.headers, &CONTENT_ENCODING);
        METHOD_OVERRIDES.iter().for_each(|name| head.push_lines(&parts.headers, name));
        if covers_host {
            head.push_host(uri, &parts.headers);
        }
        head.end_list();
        for name in headers {
            head.push(name.as_str().as_bytes());
            head.push_lines(&parts.headers, name);
        }
        head.end_list();
        head
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.push(1);
        push_bytes(&mut self.0, bytes);
    }

    /// A part whose first `letters` bytes are the same in either case.
    pub(super) fn push_lower(&mut self, bytes: &[u8], letters: usize) {
        self.push(bytes);
        let start = self.0.len() - bytes.len();
        self.0[start..start + letters].make_ascii_lowercase();
    }

    /// Ends a list of parts.
    pub(super) fn end_list(&mut self) {
        self.0.push(0);
    }

    /// All lines of a header, byte for byte.
    fn push_lines(&mut self, headers: &HeaderMap, name: &HeaderName) {
        for line in headers.get_all(name) {
            self.push(line.as_bytes());
        }
        self.end_list();
    }

    /// The host that was asked, in lower case: the target's, as HTTP/2 has it, or else the header's, as
    /// HTTP/1.1 has it. A header that names another host than the target counts as well.
    fn push_host(&mut self, uri: &Uri, headers: &HeaderMap) {
        let target = uri.authority().map(without_user);
        if let Some(target) = target {
            self.push_lower(target.as_bytes(), target.len());
        }
        for line in headers.get_all(HOST).iter().map(HeaderValue::as_bytes) {
            if !target.is_some_and(|target| line.eq_ignore_ascii_case(target.as_bytes())) {
                self.push_lower(line, line.len());
            }
        }
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
}

fn without_user(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

/// The target that the client requested. A nested router sees only the rest of its path, which may be the
/// same in two of them.
fn requested(parts: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return &original.0;
    }
    &parts.uri
}
