//! How a request becomes a fingerprint.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use serde::Serialize;

use super::content_type::ContentType;
use super::error::FingerprintError;
use super::json::Pointer;
use super::request_head::RequestHead;
use crate::codec;

/// How a request becomes a fingerprint. A request that reuses a key with another fingerprint gets 422.
///
/// Method, path, query and content type are always part of it. Query parameters are sorted by name, so
/// only the order of parameters with the same name matters. The body is compared
///
/// * by value, if its media type is JSON and it is valid I-JSON (RFC 7493). The order of members,
///   whitespace and escapes do not matter then, as under RFC 8785;
/// * by bytes in all other cases. They include JSON with a duplicate name in an object, or with a
///   number that a double cannot represent exactly, such as `9007199254740993`. By value, different
///   amounts would be the same.
///
/// A **multipart** body is compared by bytes, boundary included. A client that builds its form anew for
/// a retry, with another boundary, sends another request. Make it keep the bytes, or use
/// [`from_fn`](Self::from_fn) to compare what matters in the form.
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
#[must_use = "a fingerprint does nothing until a layer uses it"]
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

type Closure = dyn Fn(&Parts, &Bytes) -> Result<codec::Digest, FingerprintError> + Send + Sync;

impl RequestFingerprint {
    /// Compares JSON by value and everything else by bytes.
    pub fn new() -> Self {
        Self { body: Body::CanonicalJson, excluded: Vec::new() }
    }

    /// Compares every body by bytes.
    pub fn raw() -> Self {
        Self { body: Body::Raw, excluded: Vec::new() }
    }

    /// Compares what `payload` returns instead of the body. Method, path, query and content type still
    /// count.
    ///
    /// The closure runs for every guarded request before its key is looked up, so it should neither
    /// block nor panic. It may return the body itself if it cannot parse it.
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
            codec::digest(&payload(parts, body)).map_err(FingerprintError)
        };
        Self { body: Body::Closure(Arc::new(closure)), excluded: Vec::new() }
    }

    /// Ignores a member of a JSON body: a JSON pointer (RFC 6901) such as `/meta/sent_at`, or the name of
    /// a member of the outermost object. A body that is not I-JSON is compared by bytes, so that member
    /// counts.
    pub fn exclude(mut self, field: &str) -> Self {
        self.excluded.push(Pointer::new(field));
        self
    }

    /// The fingerprint of one request.
    ///
    /// # Errors
    ///
    /// [`FingerprintError`] if the payload that the closure of [`from_fn`](Self::from_fn) returned
    /// cannot be serialized.
    pub fn digest(&self, parts: &Parts, body: &Bytes) -> Result<[u8; 32], FingerprintError> {
        let content_type = ContentType::of(parts);
        let mut head = RequestHead::of(parts, &content_type);
        match &self.body {
            Body::Closure(closure) => {
                head.push(content_type.parameters.as_bytes());
                Ok(head.digest(b"value", &closure(parts, body)?))
            }
            // JSON defines no parameters (RFC 8259), and clients send different ones.
            Body::CanonicalJson if content_type.is_json() => {
                Ok(head.digest_of_json(body, &self.excluded))
            }
            Body::CanonicalJson | Body::Raw => {
                head.push(content_type.parameters.as_bytes());
                Ok(head.digest(b"raw", body))
            }
        }
    }
}

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
