//! How a request becomes a fingerprint.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::HeaderName;
use http::request::Parts;
use serde::Serialize;

use super::content_type::ContentType;
use super::covered_headers::CoveredHeaders;
use super::error::FingerprintError;
use super::json::Pointer;
use super::request_head::{BodyKind, RequestHead};
use crate::codec;

/// How a request becomes a fingerprint. A request that reuses a key with another fingerprint gets 422.
///
/// These are always part of it: the method, with the headers that override it (`X-HTTP-Method-Override`,
/// `X-HTTP-Method`, `X-Method-Override`), path and query, `Content-Type` with its parameters,
/// `Content-Encoding`, and the host, unless [`any_host`](Self::any_host) says otherwise. Other headers count if
/// they are [named](Self::header). Query parameters are sorted by name, so only the order of parameters with
/// the same name matters. The body is compared
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
///
#[doc = include_str!("../../../docs/fingerprint.md")]
#[derive(Clone)]
#[must_use = "a fingerprint does nothing until a layer uses it"]
pub struct RequestFingerprint {
    body: Body,
    excluded: Vec<Pointer>,
    covers_host: bool,
    headers: Vec<HeaderName>,
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
        Self::of(Body::CanonicalJson)
    }

    /// Compares every body by bytes.
    pub fn raw() -> Self {
        Self::of(Body::Raw)
    }

    /// Compares what `payload` returns instead of the body. All else still counts.
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
        Self::of(Body::Closure(Arc::new(closure)))
    }

    const fn of(body: Body) -> Self {
        Self { body, excluded: Vec::new(), covers_host: true, headers: Vec::new() }
    }

    /// Takes requests to different hosts for the same request, where all else is the same.
    ///
    /// By default the host counts: `Host`, or `:authority` of HTTP/2, in whatever case it is written. Say this
    /// if the [scope](crate::http::LayerWithoutScope::scope) contains the host, or if a client may send a retry
    /// to another name of the same service. Say it behind a proxy that replaces `Host` with the address of the
    /// process that it asks, as Apache does without `ProxyPreserveHost On`: a retry that reaches another process
    /// would be refused. If services differ by it, name the header that has the client's host, such as
    /// `X-Forwarded-Host`.
    ///
    /// ```
    /// use http::{Request, header::HOST};
    /// use idempotent_core::http::RequestFingerprint;
    ///
    /// let digest = |fingerprint: &RequestFingerprint, host| {
    ///     let request = Request::post("/orders").header(HOST, host).body(()).unwrap();
    ///     fingerprint.digest(&request.into_parts().0, &"".into()).unwrap()
    /// };
    /// let (usual, any) = (RequestFingerprint::new(), RequestFingerprint::new().any_host());
    /// assert_ne!(digest(&usual, "eu.example"), digest(&usual, "us.example"));
    /// assert_eq!(digest(&any, "eu.example"), digest(&any, "us.example"));
    /// ```
    pub fn any_host(mut self) -> Self {
        self.covers_host = false;
        self
    }

    /// Makes a header of the request count: all its lines, byte for byte and in their order.
    ///
    /// Name those that change what a request does, such as `Prefer`, `If-Match` or an API's version. A header
    /// that differs from one attempt to the next, such as a trace or an access token, would refuse every retry.
    ///
    /// ```
    /// use http::header::{HeaderName, IF_MATCH};
    /// use idempotent_core::http::RequestFingerprint;
    ///
    /// let fingerprint = RequestFingerprint::new()
    ///     .header(IF_MATCH)
    ///     .header(HeaderName::from_static("x-api-version"));
    /// ```
    pub fn header(mut self, name: HeaderName) -> Self {
        if let Err(place) = self.headers.binary_search_by(|other| other.as_str().cmp(name.as_str()))
        {
            self.headers.insert(place, name);
        }
        self
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
        let covered = CoveredHeaders::of(&parts.headers);
        let content_type = ContentType::of(&covered.content_type);
        let host = self.covers_host.then_some(&covered.host);
        let head = RequestHead::of(parts, &content_type, &covered, host, &self.headers);
        Ok(match &self.body {
            Body::Closure(closure) => head.digest(BodyKind::Value, &closure(parts, body)?),
            Body::CanonicalJson if content_type.is_json => {
                head.digest_of_json(body, &self.excluded)
            }
            Body::CanonicalJson | Body::Raw => head.digest(BodyKind::Raw, body),
        })
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
            .field("covers_host", &self.covers_host)
            .field("headers", &self.headers)
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
    fn a_parameter_of_the_media_type_matters_unless_it_says_utf_8_of_json() {
        let fingerprint = RequestFingerprint::new();
        let of = |kind: &str| of(&fingerprint, "/", kind, "1");
        assert_eq!(of("application/json"), of("Application/JSON; charset=utf-8"));
        assert_eq!(of("application/json;v=1"), of("application/json ; V=1;charset=\"UTF-8\""));
        assert_ne!(of("application/vnd.a+json"), of("application/vnd.a+json;v=1"));
        assert_ne!(of("application/vnd.a+json;v=2"), of("application/vnd.a+json;v=1"));
        assert_ne!(of("application/json;p=\"a;v=1\""), of("application/json;p=\"a\";v=1\""));
        assert_ne!(of("text/plain;charset=utf-8"), of("text/plain"));
        assert_ne!(of("text/plain;a=X"), of("text/plain;a=x"));
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
        assert_ne!(of("/?a=2&%61=1"), of("/?%61=1&a=2"));
        assert_ne!(of("/?A=2&a=1"), of("/?a=1&A=2"));
        assert_eq!(of("/?%61=%2f"), of("/?a=%2F"));
        assert_ne!(of("/?a=%26b"), of("/?a=&b"));
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
