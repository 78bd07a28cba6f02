//! The errors when no attempt was answered.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderValue;

/// No attempt was answered before attempts or time ran out, so it is unknown whether the request took
/// effect.
///
/// This is the error inside the one that a client's `send` returns. Its source is the error of the last
/// attempt.
///
/// ```no_run
/// # async fn pay(client: reqwest_middleware::ClientWithMiddleware) {
/// use idempotent_core::client::GaveUp;
///
/// if let Err(error) = client.post("https://pay.example/charges").send().await {
///     match GaveUp::of(&error) {
///         Some(gave_up) => println!("outcome unknown after {} attempts", gave_up.attempts()),
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
    pub(super) source: reqwest_middleware::Error,
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

    /// Whether the last attempt timed out.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match &self.source {
            reqwest_middleware::Error::Reqwest(error) => error.is_timeout(),
            reqwest_middleware::Error::Middleware(error) => error.is::<AttemptTimedOut>(),
        }
    }

    /// Whether the last attempt failed to connect.
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
