//! [`Error`]: why an idempotent call was refused or failed.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::model::RecordId;

/// Why an idempotent call was refused or failed.
///
/// An error names the operation and the record. It never reveals another caller's payload or key.
/// These are its kinds, with the HTTP status that a service should answer:
///
/// | kind | code | HTTP | retry |
/// |---|---|---|---|
/// | `MissingKey`, `InvalidKey`, `KeyTooLong` | `missing_key`, `invalid_key`, `key_too_long` | 400 | no |
/// | `InvalidScope` | `invalid_scope` | 500 | no |
/// | `InProgress` | `in_progress` | 409 | yes |
/// | `Held` | `held` | 409 | yes, once the lease has lapsed |
/// | `OwnerFailed` | `owner_failed` | 409 | yes |
/// | `ResultNotKept` | `result_not_kept` | 410 | no |
/// | `FingerprintMismatch` | `fingerprint_mismatch` | 422 | no |
/// | `Indeterminate` | `indeterminate` | 423 | no, resolve it first |
/// | `Incompatible` | `incompatible_record` | 500 | no |
/// | `NotAuthentic` | `record_not_authentic` | 500 | no |
/// | `Encode`, `Decode` | `encode`, `decode` | 500 | no |
/// | `NotReplayable` | `not_replayable` | 500 | no |
/// | `TooManySteps` | `too_many_steps` | 500 | no |
/// | `Misconfigured` | `misconfigured` | 500 | no |
/// | `TooManyCalls` | `too_many_calls` | 429 | yes |
/// | `ScopeFull` | `scope_full` | 429 | yes |
/// | `Overloaded` | `overloaded` | 503 | yes |
/// | `Store` | `store_unavailable` | 503 | yes |
///
/// A function with the attribute returns it inside its own error type, converted by `From` or
/// `map_error`:
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
    /// In place of the kind's, where that would not be true.
    summary: Option<&'static str>,
    operation: Cow<'static, str>,
    record: Option<RecordId>,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    limit: Option<usize>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key or the scope, or a part of one, is `None`.
    MissingKey,
    /// The key or the scope is empty, or has an empty part.
    InvalidKey,
    /// The key exceeds the engine's [limit](crate::IdempotencyBuilder::max_key_bytes), which the error
    /// [names](Error::limit).
    KeyTooLong,
    /// The scope exceeds the engine's [limit](crate::IdempotencyBuilder::max_key_bytes). This is the
    /// service's fault and not its client's, who does not choose it.
    InvalidScope,
    /// Another call with this key is running. The body did not run.
    InProgress,
    /// A call with this key went away while its work may still be going on elsewhere, so the key is
    /// held until the lease lapses: see [`HoldForLease`](crate::Disposition::HoldForLease).
    /// [`retry_after`](Error::retry_after) is what is left of the lease. The body did not run.
    Held,
    /// The call that this one waited for has ended, and nobody knows what it did: see
    /// [`Unknown`](crate::Disposition::Unknown). The body did not run again; a retry may run it.
    OwnerFailed,
    /// The key was already used with a different payload. The body did not run.
    FingerprintMismatch,
    /// Under *at most once* it is unknown whether the call with this key took effect: its owner was
    /// lost, or has ended without knowing. [Resolve](crate::Idempotency::resolve) it. Or it was resolved, to a result
    /// that cannot be read: [correct](crate::Idempotency::correct) it. The body did not run again.
    Indeterminate,
    /// The call already ran, but its result was not kept: for example, it was too large, was
    /// evicted, or could not be encoded. The body did not run again.
    ResultNotKept,
    /// The record was written by a version of the operation or of this library that this version
    /// cannot read. The body did not run. Or a [step](crate::guide::calls_of_several_effects) was recorded by other code,
    /// which named or called it otherwise: the run ended there, and the call waits for the code that began it.
    Incompatible,
    /// The stored record was not written by anybody who has the engine's
    /// [secret](crate::IdempotencyBuilder::secret): its MAC is missing or wrong. Nothing of it is
    /// believed, and the body did not run. Find out who can write to the store, then
    /// [purge](crate::Idempotency::purge) the record.
    NotAuthentic,
    /// The call's scope has as many calls running or waiting in this process as it may have at once, or its key
    /// has as many waiters: see [`max_running_per_scope`](crate::IdempotencyBuilder::max_running_per_scope).
    /// Other scopes are not affected. The body did not run.
    TooManyCalls,
    /// The call's scope keeps as many records, bytes or indeterminate records in the store as its
    /// [share](crate::engine::ScopeShare) allows. Other scopes are not affected. The body did not run.
    ScopeFull,
    /// This process has as many calls running, waiting or detached as it may have at once: see
    /// [`max_running`](crate::IdempotencyBuilder::max_running). The body did not run.
    Overloaded,
    /// The store failed: it is unreachable, too slow or full. The body did not run, because the
    /// engine fails closed. In a [transaction](crate::Call::run_in) it may have run, and the
    /// transaction must be rolled back.
    Store,
    /// The payload of the fingerprint, or the value of a [resolution](crate::engine::Resolution),
    /// could not be encoded; or that value has another type than the operation's result.
    Encode,
    /// The recorded result cannot be decoded as this call's type. The body did not run. Or that of a
    /// [step](crate::guide::calls_of_several_effects) cannot, or was not kept: the run ended there, and the step has run.
    Decode,
    /// The body ran, but a replay would not return what it returned: its type is encoded in one form
    /// and decoded in another. The source is a [`ReplayMismatch`](crate::call::ReplayMismatch), which
    /// names the field. Only engines that
    /// [verify results](crate::IdempotencyBuilder::verify_results) look, by default those of debug
    /// builds. The body does not run again: retries are refused with
    /// [`ResultNotKept`](Self::ResultNotKept).
    NotReplayable,
    /// The call has more [steps](crate::guide::calls_of_several_effects) than the engine
    /// [allows](crate::IdempotencyBuilder::max_steps), or more [bytes](crate::IdempotencyBuilder::max_journal_bytes)
    /// of them. The step did not run; those before it are recorded.
    TooManySteps,
    /// The operation, the engine or the runtime does not allow this call: for example, the name is
    /// one that `strict_names()` refuses, the `ttl` is zero, or the tokio runtime has no timer.
    Misconfigured,
}

impl ErrorKind {
    /// A stable identifier of this kind, for clients and dashboards.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingKey => "missing_key",
            Self::InvalidKey => "invalid_key",
            Self::KeyTooLong => "key_too_long",
            Self::InvalidScope => "invalid_scope",
            Self::InProgress => "in_progress",
            Self::Held => "held",
            Self::OwnerFailed => "owner_failed",
            Self::FingerprintMismatch => "fingerprint_mismatch",
            Self::Indeterminate => "indeterminate",
            Self::ResultNotKept => "result_not_kept",
            Self::Incompatible => "incompatible_record",
            Self::NotAuthentic => "record_not_authentic",
            Self::TooManyCalls => "too_many_calls",
            Self::ScopeFull => "scope_full",
            Self::Overloaded => "overloaded",
            Self::Store => "store_unavailable",
            Self::Encode => "encode",
            Self::Decode => "decode",
            Self::NotReplayable => "not_replayable",
            Self::TooManySteps => "too_many_steps",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// The HTTP status for this kind.
    ///
    /// 400, 409 and 422 follow the IETF draft on the `Idempotency-Key` header (-07, section 2.7).
    /// 409 always means *retry later*, because generic clients retry on it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MissingKey | Self::InvalidKey | Self::KeyTooLong => 400,
            Self::InProgress | Self::Held | Self::OwnerFailed => 409,
            Self::ResultNotKept => 410,
            Self::FingerprintMismatch => 422,
            Self::Indeterminate => 423,
            Self::TooManyCalls | Self::ScopeFull => 429,
            Self::InvalidScope
            | Self::Incompatible
            | Self::NotAuthentic
            | Self::Encode
            | Self::Decode
            | Self::NotReplayable
            | Self::TooManySteps
            | Self::Misconfigured => 500,
            Self::Overloaded | Self::Store => 503,
        }
    }

    /// Whether the same call may succeed if it is sent again later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::InProgress
                | Self::Held
                | Self::OwnerFailed
                | Self::TooManyCalls
                | Self::ScopeFull
                | Self::Overloaded
                | Self::Store
        )
    }

    /// A one-line description of nearly every error of this kind.
    pub(crate) const fn summary(self) -> &'static str {
        match self {
            Self::MissingKey => "the idempotency key is missing",
            Self::InvalidKey => "the idempotency key is invalid",
            Self::KeyTooLong => "the idempotency key is too long",
            Self::InvalidScope => "the scope of the idempotency key is invalid",
            Self::InProgress => "a call with this key is in progress",
            Self::Held => "the key is held until the lease of an earlier call lapses",
            Self::OwnerFailed => {
                "the call with this key that this one waited for failed, and its outcome is unknown"
            }
            Self::FingerprintMismatch => "this key was already used with a different payload",
            Self::Indeterminate => "the outcome of the call with this key is unknown",
            Self::ResultNotKept => {
                "the call with this key has completed, but its result was not kept"
            }
            Self::Incompatible => "this version cannot read the record of this key",
            Self::NotAuthentic => "the record of this key is not authentic",
            Self::TooManyCalls => "too many calls of this scope are running or waiting",
            Self::ScopeFull => "this scope has used up its share of the idempotency store",
            Self::Overloaded => "too many calls are running in this process",
            Self::Store => "the idempotency store is unavailable",
            Self::Encode => "the payload cannot be encoded",
            Self::Decode => "the recorded result cannot be decoded",
            Self::NotReplayable => {
                "the call has completed, but a replay would not return its result"
            }
            Self::TooManySteps => "the call has too many steps",
            Self::Misconfigured => "the operation is misconfigured",
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, operation: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            summary: None,
            operation: operation.into(),
            record: None,
            detail: Cow::Borrowed(""),
            retry_after: None,
            limit: None,
            source: None,
        }))
    }

    pub(crate) fn of(kind: ErrorKind, record: &RecordId) -> Self {
        let mut error = Self::new(kind, record.operation().to_owned());
        error.0.record = Some(record.clone());
        error
    }

    /// What it says beyond its kind.
    pub(crate) fn why(&self) -> &str {
        &self.0.detail
    }

    /// Says something else than the kind does, without anything of the call.
    pub(crate) fn summarized(mut self, summary: &'static str) -> Self {
        self.0.summary = Some(summary);
        self
    }

    /// A one-line description that reveals nothing of the call.
    pub(crate) fn summary(&self) -> &'static str {
        self.0.summary.unwrap_or(self.0.kind.summary())
    }

    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    pub(crate) fn retry_in(mut self, after: Option<Duration>) -> Self {
        self.0.retry_after = after;
        self
    }

    pub(crate) fn limited_to(mut self, limit: usize) -> Self {
        self.0.limit = Some(limit);
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

    /// A stable identifier of the kind. See [`ErrorKind::code`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The HTTP status for the kind. See [`ErrorKind::status`].
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.kind.status()
    }

    /// Whether the same call may succeed if it is sent again later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// How long to wait before a retry; `None` if a retry does not help or the delay is unknown.
    /// For a call in progress this is at most one second, and no longer than its lease lasts; for a
    /// key that is held it is what is left of the lease. Zero
    /// means that the whole transaction should run again at once.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The engine's limit that was exceeded, in bytes: of a [key](ErrorKind::KeyTooLong) or a
    /// [scope](ErrorKind::InvalidScope) that is too long.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.0.limit
    }

    /// The name of the operation.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.operation
    }

    /// The id of the record, if it was known when the call failed.
    #[must_use]
    pub fn record_id(&self) -> Option<&RecordId> {
        self.0.record.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { operation, record, detail, .. } = &*self.0;
        f.write_str(self.summary())?;
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
        let Inner { kind, operation, record, detail, retry_after, limit, source, .. } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("operation", operation)
            .field("record", record)
            .field("detail", detail)
            .field("retry_after", retry_after)
            .field("limit", limit)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
