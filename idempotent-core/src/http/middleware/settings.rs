//! The settings of a layer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Response, request};

use super::layer_limits::LayerLimits;
use super::request_key::RequestKey;
use super::scope::Scope;
use crate::call::ContentKey;
use crate::engine::Limiter;
use crate::http::exchange::{HttpCall, ResponsePolicy};
use crate::http::problem::{PROBLEM_TYPES, Problem, whole_seconds};
use crate::http::{IdempotencyKey, RequestFingerprint};
use crate::model::{KeyParts, KeyProblem};
use crate::{Error, ErrorKind, Idempotency, Operation};

const CONTENT_OF_NOBODY: &str = "with `key_from_content` in the global scope, a client would get the response of \
     another one that sent the same request: say whose a request is, with `scope`, or, if all of them come from one \
     caller, name it: `.scope(|_: &Parts| \"webhooks\")`";

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) engine: Idempotency,
    pub(super) operation: Operation,
    pub(super) scope: Scope,
    pub(super) limits: LayerLimits,
    limiter: Arc<Limiter>,
    pub(super) methods: Vec<Method>,
    pub(super) required: bool,
    /// Whether a request without a key is its own key.
    pub(super) is_keyed_by_content: bool,
    /// The gRPC services whose requests pass.
    pub(super) grpc_services: Vec<Cow<'static, str>>,
    pub(super) header: HeaderName,
    pub(super) policy_header: HeaderName,
    pub(super) request_limit: usize,
    pub(super) read_timeout: Duration,
    pub(super) fingerprint: RequestFingerprint,
    pub(super) response: ResponsePolicy,
    pub(super) problem_types: Cow<'static, str>,
    pub(super) documentation: Option<HeaderValue>,
    /// The value of the policy header.
    policy: Option<HeaderValue>,
}

impl Settings {
    pub(super) fn new(engine: Idempotency, operation: Operation, scope: Scope) -> Self {
        let mut settings = Self {
            response: ResponsePolicy::new(engine.settings().max_result_bytes),
            engine,
            operation,
            scope,
            limits: LayerLimits::default(),
            limiter: Arc::new(Limiter::new(LayerLimits::default().call_limits())),
            methods: vec![Method::POST, Method::PATCH],
            required: false,
            is_keyed_by_content: false,
            grpc_services: Vec::new(),
            header: IdempotencyKey::HEADER,
            policy_header: HeaderName::from_static("idempotency-policy"),
            request_limit: 1024 * 1024,
            read_timeout: Duration::from_secs(30),
            fingerprint: RequestFingerprint::new(),
            problem_types: Cow::Borrowed(PROBLEM_TYPES),
            documentation: None,
            policy: None,
        };
        settings.update_policy();
        settings
    }

    /// Sets the limits, and counts anew.
    pub(super) fn set_limits(&mut self, limits: LayerLimits) {
        self.limits = limits;
        self.limiter = Arc::new(Limiter::new(limits.call_limits()));
    }

    /// How long a response is kept.
    fn ttl(&self) -> Duration {
        self.operation.ttl.unwrap_or(self.engine.settings().ttl)
    }

    /// How long a key may be, in bytes.
    pub(super) fn max_key_bytes(&self) -> usize {
        self.engine.settings().max_key_bytes
    }

    /// # Panics
    ///
    /// If the settings could never guard a request.
    #[track_caller]
    pub(super) fn assert_usable(&self) {
        let fault = match self.engine.check_operation(&self.operation) {
            Err(error) => error.to_string(),
            Ok(()) if self.is_keyed_by_content && self.scope.is_global() => {
                CONTENT_OF_NOBODY.into()
            }
            Ok(()) => return,
        };
        panic!("this idempotency layer cannot guard requests: {fault}");
    }

    /// Computes the policy header anew after a setting changed.
    pub(super) fn update_policy(&mut self) {
        let policy = format!(
            "ttl={}, max-length={}, required={}",
            whole_seconds(self.ttl()),
            self.max_key_bytes(),
            if self.required && !self.is_keyed_by_content { "?1" } else { "?0" },
        );
        self.policy = HeaderValue::try_from(policy).ok();
    }

    /// To whom a request's key belongs; `None` in the global scope.
    pub(super) fn owner(&self, parts: &request::Parts) -> Result<Option<KeyParts>, KeyProblem> {
        self.scope.owner(parts)
    }

    /// The call for a request.
    pub(super) fn call(
        &self,
        key: &RequestKey,
        owner: Option<KeyParts>,
        parts: &request::Parts,
        body: &Bytes,
    ) -> Result<HttpCall, Box<Problem>> {
        let digest = self.fingerprint.digest(parts, body).map_err(|error| {
            tracing::error!(
                operation = self.operation.name,
                error = &error as &dyn std::error::Error,
                "the fingerprint of a request cannot be computed"
            );
            Box::new(Problem::from(&Error::new(ErrorKind::Encode, self.operation.name)))
        })?;
        let call = match key {
            RequestKey::Sent(key) => self.operation.client_key(key),
            RequestKey::Content => self.operation.client_key(&ContentKey::of_digest(digest)),
        };
        let mut call = call.engine(&self.engine).fingerprint_digest(digest).limiter(&self.limiter);
        if let Some(owner) = owner {
            call = call.scope_parts(owner);
        }
        Ok(call.returning_binary(|error| error))
    }

    /// Adds the policy header to a response.
    pub(super) fn add_policy_header<B>(&self, response: &mut Response<B>) {
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(self.policy_header.clone(), policy.clone());
        }
    }

    /// The response for a problem.
    pub(super) fn problem_response<B: From<Bytes>>(&self, problem: Problem) -> Response<B> {
        let problem = problem
            .types(self.problem_types.clone())
            .documentation(self.documentation.clone())
            .ttl(self.ttl());
        let mut response = problem.into_response();
        self.add_policy_header(&mut response);
        response
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("operation", &self.operation)
            .field("global_scope", &self.scope.is_global())
            .field("methods", &self.methods)
            .field("required", &self.required)
            .field("header", &self.header)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}
