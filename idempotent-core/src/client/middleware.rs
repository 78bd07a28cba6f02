//! Sending a request, attempt after attempt, until its outcome is final or its budget is used up.

use std::time::Duration;

use async_trait::async_trait;
use http::Extensions;
use reqwest::header::HeaderValue;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::time::timeout;

use super::budget::Budget;
use super::buffered_response::{BufferedResponse, buffer};
use super::gave_up::{AttemptTimedOut, GaveUp, GaveUpReason};
use super::idempotent_retry::IdempotentRetry;
use super::request_key::ensure_key;
use super::retry_decision::{
    Failure, RetryDecision, RetryReason, decide_after_failure, decide_after_response,
};
use super::retry_info::RetryInfo;

#[async_trait]
impl Middleware for IdempotentRetry {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let key = ensure_key(self, &mut request, extensions)?;
        if key.is_none() && !self.retry_methods.contains(request.method()) {
            return next.run(request, extensions).await;
        }
        let mut attempts = Attempts::new(self, &request, key);
        loop {
            let (attempt, spare) = match request.try_clone() {
                Some(copy) => (copy, Some(request)),
                None => (request, None),
            };
            let outcome = attempts.send(attempt, extensions, next.clone()).await;
            match attempts.next_step(outcome, spare) {
                NextStep::Retry(spare, pause) => {
                    self.clock.sleep(pause).await;
                    request = spare;
                }
                NextStep::Return(result) => return result,
            }
        }
    }
}

/// The outcome of one attempt.
type Outcome = std::result::Result<BufferedResponse, Failure>;

/// All attempts of one request.
struct Attempts<'a> {
    settings: &'a IdempotentRetry,
    budget: Budget,
    key: Option<HeaderValue>,
    /// For the log.
    method: String,
    host: String,
}

enum NextStep {
    /// Send the request again after a pause.
    Retry(Request, Duration),
    Return(Result<Response>),
}

impl<'a> Attempts<'a> {
    fn new(settings: &'a IdempotentRetry, request: &Request, key: Option<HeaderValue>) -> Self {
        let method = request.method().to_string();
        let host = request.url().host_str().unwrap_or_default().to_owned();
        Self { settings, budget: Budget::new(settings), key, method, host }
    }

    async fn send(
        &mut self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Outcome {
        self.budget.begin_attempt();
        let left = self.budget.time_left(self.settings.clock.now());
        let limit = self.settings.attempt_timeout.map_or(left, |timeout| timeout.min(left));
        let has_key = self.key.is_some();
        let response = async {
            let response = next.run(request, extensions).await.map_err(Failure::Send)?;
            if has_key {
                let max_bytes = self.settings.max_buffered_bytes;
                buffer(response, max_bytes).await.map_err(Failure::Truncated)
            } else {
                Ok(BufferedResponse { response, problem: None })
            }
        };
        match timeout(limit, response).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut(AttemptTimedOut { after: limit })),
        }
    }

    /// What to do after an attempt. `spare` is a copy of the request, unless its body is a stream.
    fn next_step(&self, outcome: Outcome, spare: Option<Request>) -> NextStep {
        let decision = match &outcome {
            Ok(response) => decide_after_response(self.settings, response, self.key.is_some()),
            Err(failure) => decide_after_failure(failure),
        };
        let RetryDecision::Retry { reason, retry_after } = decision else {
            return NextStep::Return(self.result(outcome, None));
        };
        let Some(request) = spare else {
            return NextStep::Return(self.result(outcome, Some((GaveUpReason::Stream, reason))));
        };
        let retry_after = retry_after.unwrap_or_default().min(self.settings.max_retry_after);
        let pause = retry_after.saturating_add(self.settings.backoff.pause(self.budget.attempts()));
        if let Some(gave_up) = self.budget.exhausted_after(pause, self.settings.clock.now()) {
            return NextStep::Return(self.result(outcome, Some((gave_up, reason))));
        }
        tracing::info!(
            method = self.method,
            host = self.host,
            attempt = self.budget.attempts(),
            why = %reason,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the request is sent again after a pause"
        );
        NextStep::Retry(request, pause)
    }

    /// What the caller gets for the last outcome. `gave_up` says why it is not retried, unless it is
    /// final.
    fn result(
        &self,
        outcome: Outcome,
        gave_up: Option<(GaveUpReason, RetryReason)>,
    ) -> Result<Response> {
        let (attempts, key) = (self.budget.attempts(), self.key.clone());
        if let Some((gave_up, reason)) = &gave_up {
            tracing::warn!(
                method = self.method,
                host = self.host,
                attempt = attempts,
                why = %reason,
                used_up = gave_up.as_str(),
                "the request is not sent again, and its outcome is not known"
            );
        }
        match (outcome, gave_up) {
            (Ok(BufferedResponse { mut response, .. }), _) => {
                response.extensions_mut().insert(RetryInfo { attempts, key });
                Ok(response)
            }
            (Err(failure), None) => Err(failure.into()),
            (Err(failure), Some((reason, _))) => {
                let elapsed = self.budget.elapsed(self.settings.clock.now());
                let source = failure.into();
                Err(Error::middleware(GaveUp { reason, attempts, elapsed, key, source }))
            }
        }
    }
}
