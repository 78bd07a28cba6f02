//! Whether the outcome of an attempt is retried.

use std::error::Error as StdError;
use std::fmt;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use reqwest_middleware::Error;

use super::buffered_response::BufferedResponse;
use super::connect_failure::{self, Prospect, causes};
use super::gave_up::AttemptTimedOut;
use super::idempotent_retry::IdempotentRetry;

/// The headers that mark a replayed response: ours, and Stripe's.
const REPLAYED: [&str; 2] = ["idempotency-replayed", "idempotent-replayed"];

/// The codes of 409s that pass by themselves: the first request is running, is held, or has just failed.
const PASSING_CONFLICTS: [&str; 3] = ["in_progress", "held", "owner_failed"];

/// Why an attempt has no response.
#[derive(Debug)]
pub(super) enum Failure {
    /// Sending failed.
    Send(Error),
    /// The response body ended early.
    Truncated(reqwest::Error),
    TimedOut(AttemptTimedOut),
}

/// What to do after an attempt.
#[derive(Debug)]
pub(super) enum RetryDecision {
    Final,
    Retry(RetryReason),
    /// Like `Retry`, but only once.
    RetryOnce(RetryReason),
}

/// Why a request is retried, for the log.
#[derive(Debug)]
pub(super) enum RetryReason {
    Status(StatusCode),
    /// A word, and the root cause. The errors in between may contain the URL.
    Failed(&'static str, String),
}

pub(super) fn decide_after_response(
    settings: &IdempotentRetry,
    buffered: &BufferedResponse,
    has_key: bool,
) -> RetryDecision {
    let (status, headers) = (buffered.response.status(), buffered.response.headers());
    let problem = buffered.problem.as_ref();
    let forbids_retry = problem.is_some_and(|problem| problem.retryable == Some(false));
    let conflict_is_final = !has_key
        || problem
            .and_then(|problem| problem.code.as_deref())
            .is_some_and(|code| !PASSING_CONFLICTS.contains(&code));
    let is_final = !settings.retry_statuses.contains(&status)
        || forbids_retry
        || is_replayed(headers)
        || status == StatusCode::CONFLICT && conflict_is_final;
    if is_final {
        return RetryDecision::Final;
    }
    RetryDecision::Retry(RetryReason::Status(status))
}

pub(super) fn decide_after_failure(failure: &Failure) -> RetryDecision {
    let (word, error): (_, &(dyn StdError + 'static)) = match failure {
        Failure::TimedOut(error) => ("timeout", error),
        Failure::Truncated(error) => ("cut off", error),
        Failure::Send(Error::Reqwest(error)) if error.is_timeout() => ("timeout", error),
        Failure::Send(Error::Reqwest(error)) if error.is_connect() => ("connect", error),
        Failure::Send(Error::Reqwest(error)) if error.is_request() => ("connection lost", error),
        // An invalid request, a redirect error, or the error of another middleware.
        Failure::Send(_) => return RetryDecision::Final,
    };
    let reason = RetryReason::Failed(word, root_cause(error).to_string());
    match failure.prospect() {
        Prospect::Passing => RetryDecision::Retry(reason),
        Prospect::UnknownHost => RetryDecision::RetryOnce(reason),
        Prospect::Permanent => RetryDecision::Final,
    }
}

impl Failure {
    /// Whether the request may have reached the server.
    pub(super) fn may_have_arrived(&self) -> bool {
        match self {
            Self::Send(Error::Reqwest(error)) => {
                !error.is_connect() && !error.is_builder() && !is_permanent(self.prospect())
            }
            Self::Send(Error::Middleware(_)) => false,
            Self::Truncated(_) | Self::TimedOut(_) => true,
        }
    }

    /// What the failure says about another attempt.
    fn prospect(&self) -> Prospect {
        match self {
            Self::Send(Error::Reqwest(error)) if error.is_timeout() => Prospect::Passing,
            Self::Send(Error::Reqwest(error)) if error.is_connect() => {
                connect_failure::of_connecting(error, error.is_dns())
            }
            Self::Send(Error::Reqwest(error)) => connect_failure::of_sending(error),
            _ => Prospect::Passing,
        }
    }
}

fn is_permanent(prospect: Prospect) -> bool {
    prospect == Prospect::Permanent
}

fn is_replayed(headers: &HeaderMap) -> bool {
    REPLAYED.iter().any(|name| headers.get(*name).is_some_and(|value| value == "true"))
}

fn root_cause<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    causes(error).last().unwrap_or(error)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Send(error) => error,
            Failure::Truncated(error) => Self::Reqwest(error),
            Failure::TimedOut(error) => Self::middleware(error),
        }
    }
}

impl fmt::Display for RetryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::Failed(word, error) => write!(f, "{word}: {error}"),
        }
    }
}
