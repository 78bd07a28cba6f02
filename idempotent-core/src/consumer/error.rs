//! The errors of consumers, of sources, and of settling.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a source cannot deliver.
///
/// ```
/// use idempotent_core::consumer::{SourceError, SourceErrorKind};
///
/// let error = SourceError::misconfigured("the queue has no dead-letter subject");
/// assert_eq!(error.kind(), SourceErrorKind::Misconfigured);
/// ```
pub struct SourceError {
    kind: SourceErrorKind,
    text: Cow<'static, str>,
    source: Option<BoxError>,
}

/// The kinds of [`SourceError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceErrorKind {
    /// What the broker's side is set to does not go together with what the consumer needs. It is found at the
    /// start, and [`run`](super::Consumer::run) returns it.
    Misconfigured,
    /// The broker does not answer. The consumer tries again for as long as it takes.
    Unavailable,
    /// What the source reads from does not exist, or not any more. [`run`](super::Consumer::run) returns it.
    Gone,
}

impl SourceError {
    /// What the broker's side is set to does not go together with what the consumer needs; the text says what to
    /// change.
    pub fn misconfigured(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: SourceErrorKind::Misconfigured, text: text.into(), source: None }
    }

    /// The broker does not answer.
    pub fn unavailable(error: impl Into<BoxError>) -> Self {
        let text = Cow::Borrowed("the broker is unavailable");
        Self { kind: SourceErrorKind::Unavailable, text, source: Some(error.into()) }
    }

    /// What the source reads from does not exist.
    pub fn gone(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: SourceErrorKind::Gone, text: text.into(), source: None }
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> SourceErrorKind {
        self.kind
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceError")
            .field("kind", &self.kind)
            .field("text", &self.text)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for SourceError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Why a broker could not be told of a [`Verdict`](super::Verdict), or did not confirm it. It is tried again.
///
/// ```
/// use idempotent_core::consumer::SettleError;
///
/// let error = SettleError::new("the broker did not confirm the acknowledgement");
/// assert!(error.to_string().contains("confirm"));
/// ```
///
/// Where the broker has [taken the delivery back](Self::taken_back), no try would succeed, and there is none:
///
/// ```
/// use idempotent_core::consumer::SettleError;
///
/// let error = SettleError::taken_back("the channel of the delivery is closed");
/// assert!(error.is_taken_back());
/// ```
#[derive(Debug)]
pub struct SettleError {
    error: BoxError,
    is_taken_back: bool,
}

impl SettleError {
    /// An error that this caused.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), is_taken_back: false }
    }

    /// The broker has taken the delivery back, and delivers the message again, whatever it is told about this one.
    pub fn taken_back(error: impl Into<BoxError>) -> Self {
        Self { error: error.into(), is_taken_back: true }
    }

    /// Whether the broker has taken the delivery back.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        self.is_taken_back
    }
}

impl fmt::Display for SettleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.is_taken_back {
            true => "the broker has taken the delivery back",
            false => "the broker did not confirm",
        };
        write!(f, "{what}: {}", self.error)
    }
}

impl StdError for SettleError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Why [`Consumer::run`](super::Consumer::run) has ended before its shutdown.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConsumerError {
    /// The source cannot be read: it is misconfigured, or gone.
    Source(SourceError),
    /// The consumer's own options do not go together, or not with its engine, which would refuse every call; the
    /// text says what to change.
    Misconfigured(Cow<'static, str>),
}

impl fmt::Display for ConsumerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "the source cannot be read: {error}"),
            Self::Misconfigured(text) => write!(f, "the consumer is misconfigured: {text}"),
        }
    }
}

impl StdError for ConsumerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            // Its own text is in this one's.
            Self::Source(error) => error.source(),
            Self::Misconfigured(_) => None,
        }
    }
}

impl From<SourceError> for ConsumerError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}
