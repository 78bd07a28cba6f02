//! [`Failure`]: what a handler's error means.

use std::time::Duration;

/// What a handler's error means for its message. See [`handler_with`](super::ConsumerBuilder::handler_with).
///
/// ```
/// use idempotent_core::consumer::Failure;
///
/// enum ShipError { NoSuchAddress, CarrierIsDown, AnswerLost }
///
/// fn judge(error: &ShipError) -> Failure {
///     match error {
///         ShipError::NoSuchAddress => Failure::Permanent,
///         ShipError::CarrierIsDown => Failure::Retry,
///         ShipError::AnswerLost => Failure::Unknown,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Nothing happened, and the next attempt may succeed.
    #[default]
    Retry,
    /// The same, after this pause instead of the [backoff](super::Attempts::backoff).
    RetryAfter(Duration),
    /// Nothing happened, and no attempt will succeed: the message is parked at once.
    Permanent,
    /// Nobody knows what happened: see [`Disposition::Unknown`](crate::Disposition::Unknown). Under *at least once*
    /// it is a [`Retry`](Self::Retry); under *at most once* the record is indeterminate, and the message is parked.
    Unknown,
}
