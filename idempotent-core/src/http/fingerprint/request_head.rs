//! What a fingerprint covers besides the body.

use http::header::{CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Uri, uri::Authority};

use super::content_type::ContentType;
use super::head_bytes::HeadBytes;
use super::json::{self, Pointer};
use super::query;
use crate::codec;

/// The encoding of a request's head.
pub(super) struct RequestHead(HeadBytes);

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
        let mut head = HeadBytes(Vec::with_capacity(512));
        let uri = requested(parts);
        head.push(LAYOUT);
        head.push(parts.method.as_str().as_bytes());
        head.push(uri.path().as_bytes());
        query::push(&mut head, parts.uri.query());
        content_type.push(&mut head);
        head.push_lines(&parts.headers, &CONTENT_ENCODING);
        push_method_overrides(&mut head, &parts.headers);
        if covers_host {
            push_host(&mut head, uri, &parts.headers);
        }
        head.end_list();
        for name in headers {
            head.push(name.as_str().as_bytes());
            head.push_lines(&parts.headers, name);
        }
        head.end_list();
        Self(head)
    }

    /// The digest of the head and of a body of this kind.
    pub(super) fn digest(mut self, kind: &[u8], body: &[u8]) -> codec::Digest {
        self.0.push(kind);
        blake3::Hasher::new().update(&self.0.0).update(body).finalize().into()
    }

    /// The digest of the head and of a JSON body: of its value, or of its bytes if the value has no
    /// canonical form.
    pub(super) fn digest_of_json(mut self, body: &[u8], excluded: &[Pointer]) -> codec::Digest {
        let length = self.0.0.len();
        self.0.push(b"json");
        if json::push_canonical(&mut self.0.0, body, excluded) {
            return blake3::hash(&self.0.0).into();
        }
        self.0.0.truncate(length);
        self.digest(b"raw", body)
    }
}

/// All lines of the headers that override the method, in the order of their names.
fn push_method_overrides(head: &mut HeadBytes, headers: &HeaderMap) {
    // One look at each name that is there costs less than a search for each that is not.
    let is_override =
        |name: &HeaderName| name.as_str().starts_with("x-") && METHOD_OVERRIDES.contains(name);
    if headers.keys().any(is_override) {
        METHOD_OVERRIDES.iter().for_each(|name| head.push_lines(headers, name));
    } else {
        METHOD_OVERRIDES.iter().for_each(|_| head.end_list());
    }
}

/// The host that was asked, in lower case: the target's, as HTTP/2 has it, or else the header's, as
/// HTTP/1.1 has it. A header that names another host than the target counts as well.
fn push_host(head: &mut HeadBytes, uri: &Uri, headers: &HeaderMap) {
    let target = uri.authority().map(without_user);
    if let Some(target) = target {
        head.push_lower(target.as_bytes(), target.len());
    }
    for line in headers.get_all(HOST).iter().map(HeaderValue::as_bytes) {
        if !target.is_some_and(|target| line.eq_ignore_ascii_case(target.as_bytes())) {
            head.push_lower(line, line.len());
        }
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
