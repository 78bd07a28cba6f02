//! What a fingerprint covers besides the body.

use http::header::HeaderName;
use http::request::Parts;
use http::{Uri, uri::Authority};

use super::content_type::ContentType;
use super::covered_headers::{CoveredHeaders, Lines, METHOD_OVERRIDES};
use super::head_bytes::HeadBytes;
use super::json::{self, Pointer};
use super::query;
use crate::codec;

/// The encoding of a request's head.
pub(super) struct RequestHead(HeadBytes);

/// The version of the encoding. Change it with the encoding, because processes of different versions
/// compare fingerprints.
const LAYOUT: u8 = 3;

/// What the head is followed by.
#[derive(Clone, Copy)]
pub(super) enum BodyKind {
    /// The body's bytes.
    Raw = 0,
    /// The canonical form of a JSON value.
    Json = 1,
    /// What a closure returned.
    Value = 2,
}

impl RequestHead {
    pub(super) fn of(
        parts: &Parts,
        content_type: &ContentType<'_>,
        covered: &CoveredHeaders<'_>,
        host: Option<&Lines<'_>>,
        headers: &[HeaderName],
    ) -> Self {
        let mut head = HeadBytes(Vec::with_capacity(512));
        let uri = requested(parts);
        head.0.push(LAYOUT);
        head.push(parts.method.as_str().as_bytes());
        head.push(uri.path().as_bytes());
        query::push(&mut head, parts.uri.query());
        content_type.push(&mut head);
        covered.content_encoding.iter().for_each(|line| head.push(line));
        head.end_list();
        for name in &METHOD_OVERRIDES {
            if covered.overrides_method {
                head.push_lines(&parts.headers, name);
            } else {
                head.end_list();
            }
        }
        if let Some(lines) = host {
            push_host(&mut head, uri, lines);
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
    pub(super) fn digest(mut self, kind: BodyKind, body: &[u8]) -> codec::Digest {
        self.0.0.push(kind as u8);
        blake3::Hasher::new().update(&self.0.0).update(body).finalize().into()
    }

    /// The digest of the head and of a JSON body: of its value, or of its bytes if the value has no
    /// canonical form.
    pub(super) fn digest_of_json(mut self, body: &[u8], excluded: &[Pointer]) -> codec::Digest {
        let length = self.0.0.len();
        self.0.0.push(BodyKind::Json as u8);
        if json::push_canonical(&mut self.0.0, body, excluded) {
            return blake3::hash(&self.0.0).into();
        }
        self.0.0.truncate(length);
        self.digest(BodyKind::Raw, body)
    }
}

/// The host that was asked, in lower case: the target's, as HTTP/2 has it, or else the header's, as
/// HTTP/1.1 has it. A header that names another host than the target counts as well.
fn push_host(head: &mut HeadBytes, uri: &Uri, lines: &Lines<'_>) {
    let target = uri.authority().map(without_user);
    if let Some(target) = target {
        head.push_lower(target.as_bytes(), target.len());
    }
    for line in lines.iter() {
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
