//! The span of a request, its log lines and its metrics. The [module](crate::client) lists them.

use std::time::Duration;

use reqwest::Request;
use reqwest::header::HeaderValue;
use tracing::{Span, field};

use super::gave_up::GaveUpReason;
use super::key_hash::KeyHash;
use super::retry_decision::RetryReason;

/// What is seen from outside of one request, from its first attempt to its outcome. If it is dropped without an
/// outcome, so was the request.
pub(super) struct RequestReport {
    span: Span,
    method: String,
    host: String,
    outcome: Option<RequestOutcome>,
}

/// How a request ended, for its caller.
#[derive(Clone, Copy)]
enum RequestOutcome {
    Answered,
    Failed,
    GaveUp,
}

impl RequestReport {
    pub(super) fn start(request: &Request, key: Option<&HeaderValue>) -> Self {
        let method = request.method().to_string();
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let span = tracing::info_span!(
            "idempotent_request",
            method = method.as_str(),
            host = host.as_str(),
            key_hash = shown(key),
            attempt = field::Empty,
            status = field::Empty,
            outcome = field::Empty,
        );
        Self { span, method, host, outcome: None }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn attempt(&self, attempt: u32) {
        self.span.record("attempt", attempt);
    }

    pub(super) fn retries(
        &self,
        key: Option<&HeaderValue>,
        attempt: u32,
        why: &RetryReason,
        pause: Duration,
    ) {
        tracing::info!(
            method = self.method,
            host = self.host,
            key_hash = shown(key),
            attempt,
            why = %why,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the request is sent again after a pause"
        );
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_client_retries_total").increment(1);
    }

    pub(super) fn gave_up(
        &mut self,
        key: Option<&HeaderValue>,
        attempt: u32,
        gave_up: GaveUpReason,
        why: &RetryReason,
    ) {
        self.outcome = Some(RequestOutcome::GaveUp);
        tracing::warn!(
            method = self.method,
            host = self.host,
            key_hash = shown(key),
            attempt,
            why = %why,
            used_up = gave_up.as_str(),
            "the request is not sent again, and its outcome is not known"
        );
    }

    /// The request has an answer, which is final unless the client gave up.
    pub(super) fn answered(&mut self, status: u16) {
        self.span.record("status", status);
        self.outcome.get_or_insert(RequestOutcome::Answered);
    }

    /// No answer can be had.
    pub(super) fn failed(&mut self) {
        self.outcome.get_or_insert(RequestOutcome::Failed);
    }
}

/// Hashed only if somebody records it.
fn shown(key: Option<&HeaderValue>) -> Option<field::DisplayValue<KeyHash>> {
    key.map(|key| field::display(KeyHash::of(key)))
}

impl Drop for RequestReport {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Some(RequestOutcome::Answered) => "answered",
            Some(RequestOutcome::Failed) => "failed",
            Some(RequestOutcome::GaveUp) => "gave_up",
            None => "dropped",
        };
        self.span.record("outcome", outcome);
        #[cfg(feature = "metrics")]
        metrics::counter!("idempotent_client_requests_total", "outcome" => outcome).increment(1);
    }
}
