//! The errors when the client stops trying.

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Response, StatusCode};

/// The client stopped trying without a final response, so it is unknown whether the request took effect.
///
/// This is the error inside the one that a client's `send` returns. Its source is the error of the last
/// attempt, if that was not answered.
///
/// ```no_run
/// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) {
/// use idempotent_core::client::GaveUp;
///
/// if let Err(error) = client.post("https://pay.example/charges").send().await {
///     match GaveUp::of(&error) {
///         Some(gave_up) => match gave_up.retry_after() {
///             Some(after) => println!("to be tried again with {:?} in {after:?}", gave_up.key()),
///             None => println!("outcome unknown after {} attempts", gave_up.attempts()),
///         },
///         None => println!("failed: {error}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct GaveUp {
    pub(super) reason: GaveUpReason,
    pub(super) attempts: u32,
    pub(super) elapsed: Duration,
    pub(super) key: Option<HeaderValue>,
    pub(super) pause: Option<DemandedPause>,
    pub(super) last: LastAttempt,
}

/// A pause that is longer than the client makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct DemandedPause {
    pub(super) demanded: Duration,
    pub(super) allowed: Duration,
}

/// How the last attempt ended.
#[derive(Debug)]
pub(super) enum LastAttempt {
    Failed(reqwest_middleware::Error),
    /// In a mutex, because errors have to be `Sync`, and a response need not be.
    Answered(StatusCode, Box<Mutex<Option<Response>>>),
}

/// Why the request was not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUpReason {
    /// The attempts are used up.
    Attempts,
    /// The total timeout expired, or would expire during the next pause.
    Time,
    /// The body is a stream, which can be sent only once.
    Stream,
    /// The server asked, by `Retry-After`, for a longer pause than
    /// [`max_retry_after`](super::IdempotentRetry::max_retry_after). [`GaveUp::retry_after`] says for how
    /// long, and [`GaveUp::take_response`] has its response.
    RetryAfter,
    /// The last attempt failed in a way that no other attempt can change: a certificate or a setting is
    /// wrong, or the host is unknown. An earlier attempt may have reached the server.
    Permanent,
}

impl GaveUp {
    /// Finds it in an error of a client.
    #[must_use]
    pub fn of(error: &reqwest_middleware::Error) -> Option<&Self> {
        match error {
            reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
            reqwest_middleware::Error::Reqwest(_) => None,
        }
    }

    /// Why the request was not sent again.
    #[must_use]
    pub fn reason(&self) -> GaveUpReason {
        self.reason
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long all attempts and pauses took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The value of the key header, for trying again later; `None` if there was no key. `Debug` does not
    /// show it.
    #[must_use]
    pub fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }

    /// How long the server asked to wait, if that is [why](GaveUpReason::RetryAfter) the client gave up. No
    /// retry is welcome before.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.pause.map(|pause| pause.demanded)
    }

    /// The status of the response that asked for a [longer pause](Self::retry_after).
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match &self.last {
            LastAttempt::Answered(status, _) => Some(*status),
            LastAttempt::Failed(_) => None,
        }
    }

    /// The response that asked for a [longer pause](Self::retry_after). It can be taken once.
    ///
    /// ```no_run
    /// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) -> Result<(), reqwest_middleware::Error> {
    /// use idempotent_core::client::GaveUp;
    ///
    /// let sent = client.post("https://pay.example/charges").send().await;
    /// let response = match sent {
    ///     Ok(response) => response,
    ///     Err(error) => match GaveUp::of(&error).and_then(GaveUp::take_response) {
    ///         Some(response) => response, // the 429 or 503 itself
    ///         None => return Err(error),
    ///     },
    /// };
    /// # drop(response);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn take_response(&self) -> Option<Response> {
        match &self.last {
            LastAttempt::Answered(_, response) => {
                response.lock().unwrap_or_else(PoisonError::into_inner).take()
            }
            LastAttempt::Failed(_) => None,
        }
    }

    /// Whether the last attempt timed out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match &self.last {
            LastAttempt::Failed(reqwest_middleware::Error::Reqwest(error)) => error.is_timeout(),
            LastAttempt::Failed(reqwest_middleware::Error::Middleware(error)) => {
                error.is::<AttemptTimedOut>()
            }
            LastAttempt::Answered(..) => false,
        }
    }

    /// Whether the last attempt failed to connect.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        match &self.last {
            LastAttempt::Failed(error) => error.is_connect(),
            LastAttempt::Answered(..) => false,
        }
    }
}

impl GaveUpReason {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Time => "time",
            Self::Stream => "stream",
            Self::RetryAfter => "retry after",
            Self::Permanent => "permanent",
        }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempts, elapsed) = (self.attempts, self.elapsed);
        if let Some(DemandedPause { demanded, allowed }) = self.pause {
            return write!(
                f,
                "the server asks to wait {demanded:?}, which is longer than the {allowed:?} that the \
                 client waits at most"
            );
        }
        match self.reason {
            GaveUpReason::Attempts => {
                write!(f, "no answer after {attempts} attempts in {elapsed:?}")
            }
            GaveUpReason::Time => write!(f, "no answer in {elapsed:?}, after {attempts} attempts"),
            GaveUpReason::Stream => {
                f.write_str("no answer, and the body is a stream, which cannot be sent again")
            }
            GaveUpReason::RetryAfter => f.write_str("the server asks to wait longer than allowed"),
            GaveUpReason::Permanent => write!(
                f,
                "attempt {attempts} failed for good, and an earlier one may have taken effect"
            ),
        }
    }
}

impl StdError for GaveUp {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.last {
            LastAttempt::Failed(error) => Some(error),
            LastAttempt::Answered(..) => None,
        }
    }
}

/// An attempt timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTimedOut {
    pub(super) after: Duration,
}

impl AttemptTimedOut {
    /// The timeout of the attempt.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for AttemptTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer to this attempt in {:?}", self.after)
    }
}

impl StdError for AttemptTimedOut {}
