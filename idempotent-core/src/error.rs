//! Why an idempotent call did not give the body's own answer.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::record::RecordId;

/// Why an idempotent call was refused, or could not be asked for.
///
/// An error names the operation and the record, never another caller's payload or key. The kinds,
/// with the status an HTTP service answers them with:
///
/// | kind | code | HTTP | retry |
/// |---|---|---|---|
/// | `MissingKey`, `InvalidKey` | `missing_key`, `invalid_key` | 400 | no |
/// | `InProgress` | `in_progress` | 409 | yes |
/// | `ResultNotKept` | `result_not_kept` | 410 | no |
/// | `FingerprintMismatch` | `fingerprint_mismatch` | 422 | no |
/// | `Indeterminate` | `indeterminate` | 423 | no, it needs resolving |
/// | `Incompatible` | `incompatible_record` | 500 | no |
/// | `Encode`, `Decode` | `encode`, `decode` | 500 | no |
/// | `Misconfigured` | `misconfigured` | 500 | no |
/// | `Store` | `store_unavailable` | 503 | yes |
///
/// A function under the attribute carries it in its own error type, by `From` or `map_error`:
///
/// ```
/// #[derive(Debug)]
/// enum ChargeError {
///     Declined,
///     Idempotency(idempotent_core::Error),
/// }
///
/// impl From<idempotent_core::Error> for ChargeError {
///     fn from(error: idempotent_core::Error) -> Self {
///         Self::Idempotency(error)
///     }
/// }
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Cow<'static, str>,
    record: Option<RecordId>,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key or the scope is `None`.
    MissingKey,
    /// The key is empty, has an empty part, or is over the engine's limit.
    InvalidKey,
    /// Another call with this key runs. Nothing was run.
    InProgress,
    /// The key was used with another payload. Nothing was run.
    FingerprintMismatch,
    /// A call with this key was lost under *at most once*: nobody knows whether it took effect.
    /// [Resolve](crate::Idempotency::resolve) it.
    Indeterminate,
    /// The call ran before, and its result was not kept: it was too large, evicted, or not
    /// encodable. Nothing was run.
    ResultNotKept,
    /// The record was written by a version of the operation or of the library that this one does
    /// not read. Nothing was run.
    Incompatible,
    /// The store could not be asked. Nothing was run: the engine fails closed.
    Store,
    /// The payload of the fingerprint could not be encoded.
    Encode,
    /// The recorded result is not one of this call's type. Nothing was run.
    Decode,
    /// The operation or the runtime cannot do what was asked: a name that `strict_names()` refuses,
    /// a `ttl` of zero, a tokio runtime without a timer.
    Misconfigured,
}

impl ErrorKind {
    /// A stable word for this kind, for clients and dashboards.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::InvalidKey => "invalid_key",
            Self::InProgress => "in_progress",
            Self::FingerprintMismatch => "fingerprint_mismatch",
            Self::Indeterminate => "indeterminate",
            Self::ResultNotKept => "result_not_kept",
            Self::Incompatible => "incompatible_record",
            Self::Store => "store_unavailable",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The HTTP status that answers this kind.
    ///
    /// 400, 409 and 422 are those of the IETF draft on the `Idempotency-Key` header (-07, section
    /// 2.7). 409 means *retry later* and nothing else, since generic clients loop on it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingKey | Self::InvalidKey => 400,
            Self::InProgress => 409,
            Self::ResultNotKept => 410,
            Self::FingerprintMismatch => 422,
            Self::Indeterminate => 423,
            Self::Incompatible | Self::Encode | Self::Decode | Self::Misconfigured => 500,
            Self::Store => 503,
        }
    }

    /// Whether the same call, sent again later, may succeed.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::InProgress | Self::Store)
    }

    /// One line on what it means, the same for every error of the kind.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::MissingKey => "the idempotency key is missing",
            Self::InvalidKey => "the idempotency key is invalid",
            Self::InProgress => "a call with this key is in progress",
            Self::FingerprintMismatch => "this key was used with another payload",
            Self::Indeterminate => "the outcome of the call with this key is not known",
            Self::ResultNotKept => "the call with this key has ended and its result was not kept",
            Self::Incompatible => "the record of this key cannot be read by this version",
            Self::Store => "the idempotency store is unavailable",
            Self::Encode => "the payload cannot be encoded",
            Self::Decode => "the recorded result cannot be decoded",
            Self::Misconfigured => "the operation is misconfigured",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: operation.into(),
            record: None,
            detail: Cow::Borrowed(""),
            retry_after: None,
            source: None,
        }))
    }

    pub(crate) fn of(kind: ErrorKind, record: &RecordId) -> Self {
        let mut error = Self::new(kind, record.operation().to_owned());
        error.0.record = Some(record.clone());
        error
    }

    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    pub(crate) fn retry_in(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// A stable word for the kind. See [`ErrorKind::code`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The HTTP status that answers it. See [`ErrorKind::status`].
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.kind.status()
    }

    /// Whether the same call, sent again later, may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// When a retry has a fair chance, if it has one at all: soon after a running call, which
    /// cannot say when it ends, but never later than its lease could lapse.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The record in question, if the call came as far as having one.
    #[must_use]
    pub fn record_id(&self) -> Option<&RecordId> {
        self.0.record.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, record, detail, .. } = &*self.0;
        f.write_str(kind.summary())?;
        if !detail.is_empty() {
            write!(f, ": {detail}")?;
        }
        match record {
            Some(record) => write!(f, " ({record})"),
            None => write!(f, " ({operation})"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, operation, record, detail, retry_after, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("record", record)
            .field("detail", detail)
            .field("retry_after", retry_after)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
