//! Whether an attempt's outcome is the end.

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use reqwest_middleware::Error;

use super::answer::Answer;
use super::error::AttemptTimedOut;
use super::retry_after::retry_after;
use super::settings::IdempotentRetry;

/// The headers that say that an answer is the recorded one: ours, and Stripe's.
const REPLAYED: [&str; 2] = ["idempotency-replayed", "idempotent-replayed"];

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request was not answered.
    Send(Error),
    /// The answer broke off.
    CutOff(reqwest::Error),
    TimedOut(AttemptTimedOut),
}

/// What to do about an outcome.
#[derive(Debug)]
pub(super) enum Verdict {
    Final,
    Retry {
        why: Why,
        /// What a `Retry-After` asks for.
        wait: Option<Duration>,
    },
}

/// Why a request is retried, for the log.
#[derive(Debug)]
pub(super) enum Why {
    Status(StatusCode),
    /// A word, and the error that is behind it all. What is between may name the URL.
    Failed(&'static str, String),
}

pub(super) fn of_answer(settings: &IdempotentRetry, answer: &Answer, keyed: bool) -> Verdict {
    let (status, headers) = (answer.response.status(), answer.response.headers());
    let problem = answer.problem.as_ref();
    let said_no = problem.is_some_and(|problem| problem.retryable == Some(false));
    let conflict_is_final = !keyed
        || problem
            .and_then(|problem| problem.code.as_deref())
            .is_some_and(|it| it != "in_progress");
    let is_final = !settings.retry_statuses.contains(&status)
        || said_no
        || is_replayed(headers)
        || status == StatusCode::CONFLICT && conflict_is_final;
    if is_final {
        return Verdict::Final;
    }
    Verdict::Retry { why: Why::Status(status), wait: retry_after(headers, SystemTime::now()) }
}

pub(super) fn of_failure(failure: &Failure) -> Verdict {
    let (word, error): (_, &dyn StdError) = match failure {
        Failure::TimedOut(error) => ("timeout", error),
        Failure::CutOff(error) => ("cut off", error),
        Failure::Send(Error::Reqwest(error)) if error.is_timeout() => ("timeout", error),
        Failure::Send(Error::Reqwest(error)) if error.is_connect() => ("connect", error),
        Failure::Send(Error::Reqwest(error)) if error.is_request() => ("connection lost", error),
        // A request that cannot be sent, a redirect that goes nowhere, another middleware's refusal.
        Failure::Send(_) => return Verdict::Final,
    };
    Verdict::Retry { why: Why::Failed(word, root(error).to_string()), wait: None }
}

fn is_replayed(headers: &HeaderMap) -> bool {
    REPLAYED.iter().any(|name| headers.get(*name).is_some_and(|value| value == "true"))
}

fn root<'a>(mut error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Send(error) => error,
            Failure::CutOff(error) => Self::Reqwest(error),
            Failure::TimedOut(error) => Self::middleware(error),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{}", status.as_u16()),
            Self::Failed(word, error) => write!(f, "{word}: {error}"),
        }
    }
}
