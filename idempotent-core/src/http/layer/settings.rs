//! What a layer was told, and what it decides by it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version, request, response};

use super::disposition::disposition_of;
use super::unkept;
use crate::http::response::{DroppedHeaders, Limits, REPLAYED, STREAM_AFTER, StoredResponse};
use crate::http::{IdempotencyKey, InvalidKey, PROBLEM_TYPES, Problem, RequestFingerprint};
use crate::key::{Key, KeyParts, KeyProblem};
use crate::{Call, Disposition, Error, ErrorKind, Idempotency, Operation};

/// Everything that a layer's methods set.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) engine: Idempotency,
    pub(super) operation: Operation,
    pub(super) scope: Scope,
    pub(super) methods: Vec<Method>,
    pub(super) required: bool,
    pub(super) header: HeaderName,
    pub(super) replayed: HeaderName,
    pub(super) policy_header: HeaderName,
    pub(super) request_limit: usize,
    pub(super) response_limit: usize,
    pub(super) stream_after: Duration,
    pub(super) fingerprint: RequestFingerprint,
    pub(super) overrides: Vec<(StatusCode, Disposition)>,
    pub(super) rule: Arc<Rule>,
    pub(super) withhold_no_store: bool,
    pub(super) dropped: DroppedHeaders,
    pub(super) problem_types: Cow<'static, str>,
    pub(super) documentation: Option<HeaderValue>,
    pub(super) published: Option<HeaderValue>,
}

pub(super) type Rule = dyn Fn(&response::Parts) -> Disposition + Send + Sync;

/// To whom a key belongs.
#[derive(Clone)]
pub(super) enum Scope {
    /// Nobody: who knows the key has the response.
    Global,
    By(Arc<dyn Fn(&request::Parts) -> ScopeParts + Send + Sync>),
}

type ScopeParts = Result<KeyParts, KeyProblem>;

/// What a request is to a layer, before its body is read.
pub(super) enum Kind {
    /// It passes.
    Unguarded,
    /// It passes, although its method is guarded.
    Grpc,
    Guarded(IdempotencyKey),
    Refused(Problem),
}

/// The worth of a key, in bits, that is a capability.
const CAPABILITY_BITS: u32 = 128;

impl Scope {
    pub(super) fn by<K: Key>(scope: impl Fn(&request::Parts) -> K + Send + Sync + 'static) -> Self {
        Self::By(Arc::new(move |parts| KeyParts::of(&scope(parts))))
    }
}

impl Settings {
    pub(super) fn new(engine: Idempotency, operation: Operation, scope: Scope) -> Self {
        let mut settings = Self {
            response_limit: engine.settings().max_result_bytes,
            engine,
            operation,
            scope,
            methods: vec![Method::POST, Method::PATCH],
            required: false,
            header: IdempotencyKey::HEADER,
            replayed: REPLAYED,
            policy_header: HeaderName::from_static("idempotency-policy"),
            request_limit: 1024 * 1024,
            stream_after: STREAM_AFTER,
            fingerprint: RequestFingerprint::new(),
            overrides: Vec::new(),
            rule: Arc::new(|parts| disposition_of(parts.status)),
            withhold_no_store: false,
            dropped: DroppedHeaders::default(),
            problem_types: Cow::Borrowed(PROBLEM_TYPES),
            documentation: None,
            published: None,
        };
        settings.publish();
        settings
    }

    /// For how long a response is kept.
    pub(super) fn ttl(&self) -> Duration {
        self.operation.ttl.unwrap_or(self.engine.settings().ttl)
    }

    /// Writes the policy that every answer carries.
    pub(super) fn publish(&mut self) {
        let policy = format!(
            "ttl={}, max-length={}, required={}",
            self.ttl().as_secs(),
            IdempotencyKey::MAX_BYTES,
            if self.required { "?1" } else { "?0" },
        );
        self.published = HeaderValue::try_from(policy).ok();
    }

    pub(super) fn kind<B>(&self, request: &http::Request<B>) -> Kind {
        if !self.methods.contains(request.method()) {
            return Kind::Unguarded;
        }
        let key = IdempotencyKey::from_headers(request.headers(), &self.header);
        let passes = matches!(key, Ok(None)) && !self.required;
        // gRPC itself is HTTP/2 alone. gRPC-Web is not, and need not be told apart where it passes.
        if (!passes || request.version() == Version::HTTP_2) && is_grpc(request.headers()) {
            return Kind::Grpc;
        }
        match key {
            Ok(Some(key)) => match &self.scope {
                Scope::Global if key.bits() < CAPABILITY_BITS => {
                    Kind::Refused(InvalidKey::Weak.into())
                }
                _ => Kind::Guarded(key),
            },
            Ok(None) if self.required => Kind::Refused(InvalidKey::Missing.into()),
            Ok(None) => Kind::Unguarded,
            Err(why) => Kind::Refused(why.into()),
        }
    }

    /// The call that a request asks for.
    pub(super) fn call(
        &self,
        key: &IdempotencyKey,
        parts: &request::Parts,
        body: &Bytes,
    ) -> Result<Call<StoredResponse, Error>, Box<Problem>> {
        let digest = self.fingerprint.digest(parts, body).map_err(|error| {
            tracing::error!(
                operation = self.operation.name,
                error = &error as &dyn std::error::Error,
                "a request has no fingerprint"
            );
            Box::new(Problem::from(&Error::new(ErrorKind::Encode, self.operation.name)))
        })?;
        let mut call = self.operation.key(key).store(&self.engine).fingerprint_digest(digest);
        if let Scope::By(scope) = &self.scope {
            let owner = scope(parts).map_err(|_| Box::new(Problem::missing_scope()))?;
            call = call.scope_parts(owner);
        }
        Ok(call.returning_encoded(|error| error))
    }

    /// What a response means for its key.
    pub(super) fn disposition(&self, parts: &response::Parts) -> Disposition {
        let overridden = self.overrides.iter().rev().find(|(status, _)| *status == parts.status);
        overridden.map_or_else(|| (self.rule)(parts), |(_, disposition)| *disposition)
    }

    /// Whether a response that is to be kept leaves a tombstone, whatever its body.
    pub(super) fn withholds(&self, method: &Method, parts: &response::Parts) -> bool {
        unkept::by_nature(method, parts)
            || (self.withhold_no_store && unkept::is_no_store(&parts.headers))
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { bytes: self.response_limit, patience: self.stream_after }
    }

    /// Adds the policy to an answer.
    pub(super) fn sign<B>(&self, response: &mut http::Response<B>) {
        if let Some(published) = &self.published {
            response.headers_mut().insert(self.policy_header.clone(), published.clone());
        }
    }

    /// A problem as this layer answers it.
    pub(super) fn answer<B: From<Bytes>>(&self, problem: Problem) -> http::Response<B> {
        let problem = problem
            .types(self.problem_types.clone())
            .documentation(self.documentation.clone())
            .ttl(self.ttl());
        let mut response = problem.into_response();
        self.sign(&mut response);
        response
    }
}

/// gRPC and gRPC-Web, whose status is not the response's.
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let start = content_type.and_then(|content_type| content_type.get(..GRPC.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("operation", &self.operation)
            .field("global_scope", &matches!(self.scope, Scope::Global))
            .field("methods", &self.methods)
            .field("required", &self.required)
            .field("header", &self.header)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
