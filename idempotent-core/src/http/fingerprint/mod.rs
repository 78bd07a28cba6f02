//! What makes two requests the same request: method, path, query, content type and body.

mod json;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use serde::Serialize;

use self::json::Pointer;
use super::lines::push_bytes;
use crate::codec;

/// How a request becomes a fingerprint: the same key with another one is 422.
///
/// Method, path, query and content type are always part of it. The query's parameters count in the
/// order of their names, so that only the order of equal names matters. The body counts
///
/// * by its value, if its media type is JSON and it is I-JSON (RFC 7493): the order of members,
///   spaces and escapes do not matter then, as under RFC 8785;
/// * by its bytes, in all other cases. JSON with a name twice in one object, or a number that a
///   double does not tell from its neighbours, such as `9007199254740993`, is one of them: other
///   amounts would have one canonical form.
///
/// A **multipart** body counts by its bytes, its boundary included: a client that builds its form
/// anew for a retry, with another boundary, has sent another request. Let it keep the bytes, or say
/// with [`from_fn`](Self::from_fn) what of the form counts.
///
/// ```
/// use http::Request;
/// use idempotent_core::http::RequestFingerprint;
///
/// let fingerprint = RequestFingerprint::new().exclude("/sent_at");
/// let digest = |body: &'static str| {
///     let request = Request::post("/orders").header("content-type", "application/json");
///     let (parts, body) = request.body(body).unwrap().into_parts();
///     fingerprint.digest(&parts, &body.into()).unwrap()
/// };
/// assert_eq!(digest(r#"{"a": 1, "b": 2}"#), digest(r#"{"b":2,"a":1,"sent_at":7}"#));
/// assert_ne!(digest(r#"{"a": 1}"#), digest(r#"{"a": 2}"#));
/// ```
#[derive(Clone)]
#[must_use = "a fingerprint does nothing until a layer has it"]
pub struct RequestFingerprint {
    body: Body,
    excluded: Vec<Pointer>,
}

#[derive(Clone)]
enum Body {
    CanonicalJson,
    Raw,
    Closure(Arc<Closure>),
}

type Closure = dyn Fn(&Parts, &Bytes) -> Result<codec::Digest, NoFingerprint> + Send + Sync;

/// The payload that a closure gave could not be encoded.
#[derive(Debug)]
pub struct NoFingerprint(rmp_serde::encode::Error);

impl RequestFingerprint {
    /// JSON by its value, all else by its bytes.
    pub fn new() -> Self {
        Self { body: Body::CanonicalJson, excluded: Vec::new() }
    }

    /// Every body by its bytes.
    pub fn raw() -> Self {
        Self { body: Body::Raw, excluded: Vec::new() }
    }

    /// The body by what `payload` makes of it. Method, path, query and content type count besides.
    ///
    /// The closure runs for every guarded request before its key is looked up, so it should neither
    /// wait nor fail. For a body it cannot read it may return the body itself.
    ///
    /// ```
    /// use idempotent_core::http::RequestFingerprint;
    ///
    /// let by_length = RequestFingerprint::from_fn(|_parts, body| body.len());
    /// ```
    pub fn from_fn<P: Serialize>(
        payload: impl Fn(&Parts, &Bytes) -> P + Send + Sync + 'static,
    ) -> Self {
        let closure = move |parts: &Parts, body: &Bytes| {
            codec::digest(&payload(parts, body)).map_err(NoFingerprint)
        };
        Self { body: Body::Closure(Arc::new(closure)), excluded: Vec::new() }
    }

    /// Leaves a member of a JSON body out: a JSON pointer (RFC 6901) such as `/meta/sent_at`, or the
    /// name of a member of the outermost object. A body that is not I-JSON counts by its bytes, and
    /// so with that member.
    pub fn exclude(mut self, field: &str) -> Self {
        self.excluded.push(Pointer::new(field));
        self
    }

    /// The fingerprint of one request.
    ///
    /// # Errors
    ///
    /// [`NoFingerprint`], if what the closure of [`from_fn`](Self::from_fn) gave cannot be encoded.
    pub fn digest(&self, parts: &Parts, body: &Bytes) -> Result<[u8; 32], NoFingerprint> {
        let content_type = content_type(parts);
        let encoding = parts.headers.get(CONTENT_ENCODING);
        let mut head = Head::new();
        head.part(LAYOUT);
        head.part(parts.method.as_str().as_bytes());
        head.part(path(parts).as_bytes());
        head.query(query(parts));
        head.part(content_type.essence.as_bytes());
        head.part(encoding.map_or(&[][..], |encoding| encoding.as_bytes()));
        match &self.body {
            Body::Closure(closure) => {
                head.part(content_type.parameters.as_bytes());
                Ok(head.digest(b"value", &closure(parts, body)?))
            }
            // JSON has no parameters that mean something (RFC 8259), and clients differ in them.
            Body::CanonicalJson if content_type.is_json() => {
                Ok(head.digest_of_json(body, &self.excluded))
            }
            Body::CanonicalJson | Body::Raw => {
                head.part(content_type.parameters.as_bytes());
                Ok(head.digest(b"raw", body))
            }
        }
    }
}

/// Processes of two versions compare fingerprints, so what follows changes only with this.
const LAYOUT: &[u8] = b"http 1";

impl Default for RequestFingerprint {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RequestFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = match &self.body {
            Body::CanonicalJson => "canonical JSON",
            Body::Raw => "raw",
            Body::Closure(_) => "closure",
        };
        f.debug_struct("RequestFingerprint")
            .field("body", &body)
            .field("excluded", &self.excluded)
            .finish()
    }
}

impl fmt::Display for NoFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload of the fingerprint cannot be encoded")
    }
}

impl std::error::Error for NoFingerprint {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// All but the body, in parts that do not run together.
struct Head(Vec<u8>);

impl Head {
    fn new() -> Self {
        Self(Vec::with_capacity(512))
    }

    fn part(&mut self, bytes: &[u8]) {
        push_bytes(&mut self.0, bytes);
    }

    /// The digest of it and of a body of that kind.
    fn digest(mut self, kind: &[u8], body: &[u8]) -> codec::Digest {
        self.part(kind);
        blake3::Hasher::new().update(&self.0).update(body).finalize().into()
    }

    /// The digest of it and of a JSON body: of its value, or if that has no form of its bytes.
    fn digest_of_json(mut self, body: &[u8], excluded: &[Pointer]) -> codec::Digest {
        let length = self.0.len();
        self.part(b"json");
        if json::push_canonical(&mut self.0, body, excluded) {
            return blake3::hash(&self.0).into();
        }
        self.0.truncate(length);
        self.digest(b"raw", body)
    }

    /// The parameters, in the order of their names, those of one name in their own order.
    fn query(&mut self, query: &str) {
        let name =
            |parameter: &&str| parameter.len().min(parameter.find('=').unwrap_or(usize::MAX));
        if !query.contains('&') {
            self.part(query.as_bytes());
            return;
        }
        let mut parameters: Vec<&str> = query.split('&').collect();
        parameters.sort_by(|a, b| a[..name(a)].cmp(&b[..name(b)]));
        self.part(parameters.join("&").as_bytes());
    }
}

/// The path that the client asked for. A router that nests another one shows it only the rest, and
/// two nests must not look alike.
fn path(parts: &Parts) -> &str {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return original.0.path();
    }
    parts.uri.path()
}

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

struct ContentType<'a> {
    essence: Cow<'a, str>,
    parameters: &'a str,
}

impl ContentType<'_> {
    fn is_json(&self) -> bool {
        self.essence.ends_with("/json") || self.essence.ends_with("+json")
    }
}

fn content_type(parts: &Parts) -> ContentType<'_> {
    let value = parts.headers.get(CONTENT_TYPE);
    // What nearly all clients send.
    if value.is_some_and(|value| value == "application/json") {
        return ContentType { essence: Cow::Borrowed("application/json"), parameters: "" };
    }
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim();
    let essence = match essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(essence.to_ascii_lowercase()),
        false => Cow::Borrowed(essence),
    };
    ContentType { essence, parameters: parameters.trim() }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn of(fingerprint: &RequestFingerprint, uri: &str, kind: &str, body: &str) -> [u8; 32] {
        let request = Request::post(uri).header("content-type", kind).body(()).unwrap();
        let body = Bytes::copy_from_slice(body.as_bytes());
        fingerprint.digest(&request.into_parts().0, &body).unwrap()
    }

    fn json(body: &str) -> [u8; 32] {
        of(&RequestFingerprint::new(), "/", "application/json", body)
    }

    #[test]
    fn equal_json_is_equal_however_it_is_written() {
        let written = [
            r#"{"a":1,"b":{"c":[1,2],"d":"é"}}"#,
            r#" { "b" : {"d":"\u00e9", "c":[1.0, 2e0]}, "a": 1 } "#,
        ];
        assert_eq!(json(written[0]), json(written[1]));
        assert_ne!(json("[1,2]"), json("[2,1]"));
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":"1"}"#));
        assert_ne!(json(r#"{"a":null}"#), json("{}"));
    }

    #[test]
    fn what_is_not_i_json_counts_by_its_bytes() {
        let apart = [
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993",
            "1.00000000000000001",
            "1.0",
            r#"{"a":1,"a":2}"#,
            r#"{"a":2,"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            "{",
            "",
            "1e400",
            r#""\ud800""#,
        ];
        for (i, left) in apart.iter().enumerate() {
            for right in &apart[i + 1..] {
                assert_ne!(json(left), json(right), "{left} and {right}");
            }
        }
    }

    #[test]
    fn a_parameter_of_the_media_type_matters_but_for_json() {
        let fingerprint = RequestFingerprint::new();
        let of = |kind: &str| of(&fingerprint, "/", kind, "1");
        assert_eq!(of("application/json"), of("Application/JSON; charset=utf-8"));
        assert_eq!(of("application/vnd.a+json"), of("application/vnd.a+json;v=1"));
        assert_ne!(of("application/json"), of("text/plain"));
        assert_ne!(of("multipart/form-data; boundary=a"), of("multipart/form-data; boundary=b"));
    }

    #[test]
    fn the_order_of_a_query_matters_only_within_a_name() {
        let of = |uri: &str| of(&RequestFingerprint::new(), uri, "text/plain", "");
        assert_eq!(of("/?a=1&b=2"), of("/?b=2&a=1"));
        assert_eq!(of("/?a=1&b=2&a=3"), of("/?b=2&a=1&a=3"));
        assert_ne!(of("/?a=1&a=2"), of("/?a=2&a=1"));
        assert_ne!(of("/?a=1"), of("/?a=2"));
        assert_ne!(of("/?a"), of("/?a="));
        assert_ne!(of("/a"), of("/b"));
    }

    #[test]
    fn parts_do_not_run_together() {
        let of =
            |uri: &str, kind: &str, body: &str| of(&RequestFingerprint::raw(), uri, kind, body);
        assert_ne!(of("/a?b", "text/plain", "c"), of("/a", "text/plain", "bc"));
        assert_ne!(of("/", "a/b", "c"), of("/", "a/bc", ""));
    }

    #[test]
    fn an_excluded_field_does_not_count() {
        let fingerprint =
            RequestFingerprint::new().exclude("/meta/at").exclude("nonce").exclude("/list/0");
        let of = |body: &str| of(&fingerprint, "/", "application/json", body);
        let body = r#"{"a":1,"meta":{"b":2},"list":[null,8]}"#;
        assert_eq!(of(body), of(r#"{"a":1,"nonce":5,"meta":{"at":3,"b":2},"list":[7,8]}"#));
        assert_ne!(of(body), of(r#"{"a":1,"meta":{"b":3},"list":[null,8]}"#));
        assert_ne!(of(body), of(r#"{"a":1,"meta":{"b":2},"list":[null,9]}"#));
    }

    #[test]
    fn a_closure_replaces_the_body_alone() {
        let fingerprint = RequestFingerprint::from_fn(|_, body| body.len());
        let of = |uri: &str, body: &str| of(&fingerprint, uri, "text/plain", body);
        assert_eq!(of("/a", "xy"), of("/a", "yz"));
        assert_ne!(of("/a", "xy"), of("/a", "x"));
        assert_ne!(of("/a", "xy"), of("/b", "xy"));
    }
}
