//! [`Verdict`]: what a broker is told about a delivery.

use std::fmt;
use std::time::Duration;

/// What a broker is told about a delivery, once. A [`Settle`](super::Settle) translates it into the verbs of its
/// broker.
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::consumer::{ParkReason, Verdict};
///
/// assert!(Verdict::Completed.is_final());
/// assert!(Verdict::parked(ParkReason::Undecodable, "it is no JSON").is_final());
/// assert!(!Verdict::Retry { after: Duration::from_secs(1) }.is_final());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The store says that the call is completed, whoever ran it: the broker may forget the message.
    Completed,
    /// Another delivery of the message is being handled: deliver it again after this long, to see how that ended.
    Busy {
        /// How long.
        after: Duration,
    },
    /// The handler has failed: deliver the message again after this long.
    Retry {
        /// How long.
        after: Duration,
    },
    /// The message is put aside, with its id, for somebody to look at. It is settled only once the broker has
    /// confirmed that copy.
    Parked {
        /// Why.
        reason: ParkReason,
        /// What went wrong, for people.
        error: String,
        /// How often the handler ran; `0` if it never did.
        attempts: u32,
    },
    /// The handler has not started: deliver the message to another consumer at once.
    GivenBack,
    /// Nothing is sent: the message may be another's by now, and whatever is sent could hit that delivery.
    Left,
}

/// Why a message is parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParkReason {
    /// Its payload cannot be decoded as what the handler takes, or decoding it panics.
    Undecodable,
    /// It has no usable key: a header is missing, or the key is longer than the engine
    /// [allows](crate::IdempotencyBuilder::max_key_bytes). Or what makes its key or its scope panics.
    InvalidKey,
    /// Its id was already used with another payload. The completed record of that one stays as it is.
    Mismatch,
    /// Under *at most once* it is unknown whether the handler took effect. Somebody has to
    /// [resolve](crate::Idempotency::resolve) the record before the message can be replayed.
    Indeterminate,
    /// The handler has failed as often as it [may](super::Attempts).
    AttemptsUsedUp,
    /// The handler's error says that no attempt will succeed.
    Permanent,
    /// The broker has dropped the message while it was in hand, and would not deliver it again: a Redis stream was trimmed.
    Trimmed,
}

impl Verdict {
    /// That the message is parked before its handler ran.
    pub fn parked(reason: ParkReason, error: impl fmt::Display) -> Self {
        Self::Parked { reason, error: error.to_string(), attempts: 0 }
    }

    /// Whether the broker does not deliver the message again after this.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Completed | Self::Parked { .. })
    }

    /// A stable identifier, for logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Busy { .. } => "busy",
            Self::Retry { .. } => "retry",
            Self::Parked { .. } => "parked",
            Self::GivenBack => "given_back",
            Self::Left => "left",
        }
    }
}

impl ParkReason {
    /// A stable identifier, for metrics and for the headers of dead letters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::InvalidKey => "invalid_key",
            Self::Mismatch => "fingerprint_mismatch",
            Self::Indeterminate => "indeterminate",
            Self::AttemptsUsedUp => "attempts_used_up",
            Self::Permanent => "permanent",
            Self::Trimmed => "trimmed",
        }
    }
}
