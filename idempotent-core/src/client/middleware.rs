//! One request: attempt after attempt, until its outcome is final or its budget is used up.

use std::time::Duration;

use async_trait::async_trait;
use http::Extensions;
use reqwest::header::HeaderValue;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::budget::Budget;
use super::error::{AttemptTimedOut, GaveUp, GaveUpReason};
use super::key;
use super::sent::Sent;
use super::settings::IdempotentRetry;
use super::verdict::{Failure, Verdict, Why, of_answer, of_failure};

#[async_trait]
impl Middleware for IdempotentRetry {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let key = key::ensure(self, &mut request, extensions)?;
        if key.is_none() && !self.retry_methods.contains(request.method()) {
            return next.run(request, extensions).await;
        }
        let mut course = Course::new(self, &request, key);
        loop {
            let (sent, spare) = match request.try_clone() {
                Some(copy) => (copy, Some(request)),
                None => (request, None),
            };
            let outcome = course.attempt(sent, extensions, next.clone()).await;
            match course.goes_on(outcome, spare) {
                Step::Again(again, pause) => {
                    self.timer.pause(pause).await;
                    request = again;
                }
                Step::End(result) => return result,
            }
        }
    }
}

/// What one attempt came to.
type Outcome = std::result::Result<Answer, Failure>;

/// One request on its way.
struct Course<'a> {
    settings: &'a IdempotentRetry,
    budget: Budget,
    key: Option<HeaderValue>,
    /// What the log says of it.
    method: String,
    host: String,
}

enum Step {
    Again(Request, Duration),
    End(Result<Response>),
}

impl<'a> Course<'a> {
    fn new(settings: &'a IdempotentRetry, request: &Request, key: Option<HeaderValue>) -> Self {
        let method = request.method().to_string();
        let host = request.url().host_str().unwrap_or_default().to_owned();
        Self { settings, budget: Budget::new(settings), key, method, host }
    }

    async fn attempt(
        &mut self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Outcome {
        self.budget.begin_attempt();
        let left = self.budget.time_left(self.settings.timer.now());
        let limit = self.settings.attempt_timeout.map_or(left, |timeout| timeout.min(left));
        let keyed = self.key.is_some();
        let answered = async {
            let response = next.run(request, extensions).await.map_err(Failure::Send)?;
            if keyed {
                answer::read(response, self.settings.whole_answers).await.map_err(Failure::CutOff)
            } else {
                Ok(Answer { response, problem: None })
            }
        };
        match timeout(limit, answered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::TimedOut(AttemptTimedOut { after: limit })),
        }
    }

    /// What comes after an attempt. `spare` is the request, if it can be sent again.
    fn goes_on(&self, outcome: Outcome, spare: Option<Request>) -> Step {
        let verdict = match &outcome {
            Ok(answer) => of_answer(self.settings, answer, self.key.is_some()),
            Err(failure) => of_failure(failure),
        };
        let Verdict::Retry { why, wait } = verdict else {
            return Step::End(self.end(outcome, None));
        };
        let Some(request) = spare else {
            return Step::End(self.end(outcome, Some((GaveUpReason::Stream, why))));
        };
        let wait = wait.unwrap_or_default().min(self.settings.longest_retry_after);
        let pause = wait.saturating_add(self.settings.backoff.pause(self.budget.attempts()));
        if let Some(reason) = self.budget.refuses(pause, self.settings.timer.now()) {
            return Step::End(self.end(outcome, Some((reason, why))));
        }
        tracing::info!(
            method = self.method,
            host = self.host,
            attempt = self.budget.attempts(),
            why = %why,
            pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "the request is sent again after a pause"
        );
        Step::Again(request, pause)
    }

    /// What the caller gets: the last outcome, and why it is the last, if it is not final.
    fn end(&self, outcome: Outcome, gave_up: Option<(GaveUpReason, Why)>) -> Result<Response> {
        let (attempts, key) = (self.budget.attempts(), self.key.clone());
        if let Some((reason, why)) = &gave_up {
            tracing::warn!(
                method = self.method,
                host = self.host,
                attempt = attempts,
                why = %why,
                used_up = reason.as_str(),
                "the request is not sent again, and its outcome is not known"
            );
        }
        match (outcome, gave_up) {
            (Ok(Answer { mut response, .. }), _) => {
                response.extensions_mut().insert(Sent { attempts, key });
                Ok(response)
            }
            (Err(failure), None) => Err(failure.into()),
            (Err(failure), Some((reason, _))) => {
                let elapsed = self.budget.elapsed(self.settings.timer.now());
                let source = failure.into();
                Err(Error::middleware(GaveUp { reason, attempts, elapsed, key, source }))
            }
        }
    }
}
