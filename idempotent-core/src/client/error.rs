//! Why there is no answer.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;

/// No attempt was answered by the time the budget was used up: whether the request took effect is
/// not known.
///
/// It is the error that a client's `send` gives; the last attempt's own error is its source.
///
/// ```no_run
/// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) {
/// use idempotent_core::client::GaveUp;
///
/// if let Err(error) = client.post("https://pay.example/charges").send().await {
///     match GaveUp::of(&error) {
///         Some(gave_up) => println!("not known after {} attempts", gave_up.attempts()),
///         None => println!("never sent: {error}"),
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
    pub(super) source: reqwest_middleware::Error,
}

/// What was used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUpReason {
    /// The attempts.
    Attempts,
    /// The total time, or what was left of it was less than the next pause.
    Time,
    /// The body, a stream, which can be sent once.
    Stream,
}

impl GaveUp {
    /// The one in an error of a client.
    #[must_use]
    pub fn of(error: &reqwest_middleware::Error) -> Option<&Self> {
        match error {
            reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
            reqwest_middleware::Error::Reqwest(_) => None,
        }
    }

    /// What was used up.
    #[must_use]
    pub fn reason(&self) -> GaveUpReason {
        self.reason
    }

    /// How often the request was sent.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// How long attempts and pauses took.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The header's value that it carried each time, if it had a key: what to ask again with.
    /// `Debug` does not show it.
    #[must_use]
    pub fn key(&self) -> Option<&HeaderValue> {
        self.key.as_ref()
    }

    /// Whether the last attempt had no answer in time.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match &self.source {
            reqwest_middleware::Error::Reqwest(error) => error.is_timeout(),
            reqwest_middleware::Error::Middleware(error) => error.is::<AttemptTimedOut>(),
        }
    }

    /// Whether the last attempt had no connection.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.source.is_connect()
    }
}

impl GaveUpReason {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Time => "time",
            Self::Stream => "stream",
        }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempts, elapsed) = (self.attempts, self.elapsed);
        match self.reason {
            GaveUpReason::Attempts => {
                write!(f, "no answer after {attempts} attempts in {elapsed:?}")
            }
            GaveUpReason::Time => write!(f, "no answer in {elapsed:?}, after {attempts} attempts"),
            GaveUpReason::Stream => {
                f.write_str("no answer, and the body is a stream, which cannot be sent again")
            }
        }
    }
}

impl StdError for GaveUp {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

/// One attempt had no answer in its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptTimedOut {
    pub(super) after: Duration,
}

impl AttemptTimedOut {
    /// How long the attempt was given.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }
}

impl fmt::Display for AttemptTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the attempt had no answer in {:?}", self.after)
    }
}

impl StdError for AttemptTimedOut {}
