//! Sending a request, attempt after attempt, until its outcome is final or its budget is used up.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::Extensions;
use reqwest::header::HeaderValue;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::time::timeout;
use tracing::Instrument;

use super::budget::Budget;
use super::buffered_response::{BufferedResponse, buffer};
use super::gave_up::{AttemptTimedOut, DemandedPause, GaveUp, GaveUpReason, LastAttempt};
use super::idempotent_retry::IdempotentRetry;
use super::request_key::ensure_key;
use super::retry_after::retry_after;
use super::retry_decision::{
    Failure, RetryDecision, RetryReason, decide_after_failure, decide_after_response,
};
use super::retry_info::RetryInfo;
use super::telemetry::RequestReport;

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
        let span = attempts.report.span();
        let sending = async move {
            loop {
                let (attempt, spare) = match request.try_clone() {
                    Some(copy) => (copy, Some(request)),
                    None => (request, None),
                };
                let (outcome, demanded) = attempts.send(attempt, extensions, next.clone()).await;
                match attempts.next_step(outcome, demanded, spare) {
                    NextStep::Retry(spare, pause) => {
                        self.clock.sleep(pause).await;
                        request = spare;
                    }
                    NextStep::Return(result) => return result,
                }
            }
        };
        sending.instrument(span).await
    }
}

/// The outcome of one attempt.
type Outcome = std::result::Result<BufferedResponse, Failure>;

/// All attempts of one request.
struct Attempts<'a> {
    settings: &'a IdempotentRetry,
    budget: Budget,
    key: Option<HeaderValue>,
    /// Whether an attempt may have reached the server.
    may_have_arrived: bool,
    /// Failures that allow one retry only.
    single_retries: u32,
    report: RequestReport,
}

enum NextStep {
    /// Send the request again after a pause.
    Retry(Request, Duration),
    Return(Result<Response>),
}

impl<'a> Attempts<'a> {
    fn new(settings: &'a IdempotentRetry, request: &Request, key: Option<HeaderValue>) -> Self {
        let budget = Budget::new(settings);
        let report = RequestReport::start(request, key.as_ref());
        Self { settings, budget, key, may_have_arrived: false, single_retries: 0, report }
    }

    /// Sends an attempt, and returns its outcome and the pause that the response demands. It does so also
    /// if the response was cut off or took too long.
    async fn send(
        &mut self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> (Outcome, Option<Duration>) {
        self.budget.begin_attempt();
        self.report.attempt(self.budget.attempts());
        let left = self.budget.time_left(self.settings.clock.now());
        let limit = self.settings.attempt_timeout.map_or(left, |timeout| timeout.min(left));
        let has_key = self.key.is_some();
        let mut demanded = None;
        let response = async {
            let response = next.run(request, extensions).await.map_err(Failure::Send)?;
            demanded = retry_after(response.headers(), SystemTime::now());
            if has_key {
                let max_bytes = self.settings.max_buffered_bytes;
                buffer(response, max_bytes).await.map_err(Failure::Truncated)
            } else {
                Ok(BufferedResponse { response, problem: None })
            }
        };
        let outcome = timeout(limit, response).await;
        (outcome.unwrap_or(Err(Failure::TimedOut(AttemptTimedOut { after: limit }))), demanded)
    }

    /// What to do after an attempt, whose response demands this pause. `spare` is a copy of the request,
    /// unless its body is a stream.
    fn next_step(
        &mut self,
        outcome: Outcome,
        demanded: Option<Duration>,
        spare: Option<Request>,
    ) -> NextStep {
        let decision = match &outcome {
            Ok(response) => decide_after_response(self.settings, response, self.key.is_some()),
            Err(failure) => decide_after_failure(failure),
        };
        let is_spent = self.single_retries > 0;
        let reason = match decision {
            RetryDecision::Retry(reason) => reason,
            RetryDecision::RetryOnce(reason) if !is_spent => {
                self.single_retries += 1;
                reason
            }
            RetryDecision::Final | RetryDecision::RetryOnce(_) => {
                return NextStep::Return(self.final_result(outcome));
            }
        };
        self.may_have_arrived |= outcome.as_ref().err().is_none_or(Failure::may_have_arrived);
        let Some(request) = spare else {
            return NextStep::Return(self.gave_up(outcome, GaveUpReason::Stream, &reason));
        };
        let backoff = self.settings.backoff.pause(self.budget.attempts());
        let pause = demanded.unwrap_or_default().saturating_add(backoff);
        let exhausted = self.budget.exhausted_after(pause, self.settings.clock.now());
        let has_attempts = exhausted != Some(GaveUpReason::Attempts);
        let max = self.settings.max_retry_after;
        if let Some(demanded) = demanded.filter(|demanded| has_attempts && *demanded > max) {
            return NextStep::Return(self.turned_away(outcome, demanded, &reason));
        }
        if let Some(gave_up) = exhausted {
            return NextStep::Return(self.gave_up(outcome, gave_up, &reason));
        }
        self.report.retries(self.key.as_ref(), self.budget.attempts(), &reason, pause);
        NextStep::Retry(request, pause)
    }

    /// What the caller gets for an outcome that no retry changes.
    fn final_result(&mut self, outcome: Outcome) -> Result<Response> {
        match outcome {
            Ok(response) => Ok(self.with_info(response)),
            Err(failure) if self.may_have_arrived => {
                self.report.failed();
                Err(self.error(GaveUpReason::Permanent, None, LastAttempt::Failed(failure.into())))
            }
            Err(failure) => {
                self.report.failed();
                Err(failure.into())
            }
        }
    }

    /// What the caller gets for the last outcome, which is not retried for this reason.
    fn gave_up(
        &mut self,
        outcome: Outcome,
        gave_up: GaveUpReason,
        why: &RetryReason,
    ) -> Result<Response> {
        self.report.gave_up(self.key.as_ref(), self.budget.attempts(), gave_up, why);
        match outcome {
            Ok(response) => Ok(self.with_info(response)),
            Err(failure) => Err(self.error(gave_up, None, LastAttempt::Failed(failure.into()))),
        }
    }

    /// What the caller gets when the server demands a longer pause than is allowed.
    fn turned_away(
        &mut self,
        outcome: Outcome,
        demanded: Duration,
        why: &RetryReason,
    ) -> Result<Response> {
        let (key, attempt) = (self.key.as_ref(), self.budget.attempts());
        self.report.gave_up(key, attempt, GaveUpReason::RetryAfter, why);
        let last = match outcome {
            Ok(response) => {
                let response = self.with_info(response);
                LastAttempt::Answered(response.status(), Box::new(Mutex::new(Some(response))))
            }
            Err(failure) => LastAttempt::Failed(failure.into()),
        };
        let pauses = DemandedPause { demanded, allowed: self.settings.max_retry_after };
        Err(self.error(GaveUpReason::RetryAfter, Some(pauses), last))
    }

    fn with_info(&mut self, BufferedResponse { mut response, .. }: BufferedResponse) -> Response {
        self.report.answered(response.status().as_u16());
        let (attempts, key) = (self.budget.attempts(), self.key.clone());
        response.extensions_mut().insert(RetryInfo { attempts, key });
        response
    }

    fn error(
        &self,
        reason: GaveUpReason,
        pause: Option<DemandedPause>,
        last: LastAttempt,
    ) -> Error {
        let (attempts, key) = (self.budget.attempts(), self.key.clone());
        let elapsed = self.budget.elapsed(self.settings.clock.now());
        Error::middleware(GaveUp { reason, attempts, elapsed, key, pause, last })
    }
}
