//! [`Disposition`]: what happens to a key when its call ends.

use std::time::Duration;

/// What happens to the key when the body ends.
///
/// A declined card is final: [`Keep`](Self::Keep). A gateway that timed out may have charged:
/// [`Hold`](Self::Hold). A validation error happened before any effect: [`Release`](Self::Release).
///
/// ```
/// use idempotent_core::Disposition;
///
/// enum ChargeError { Declined, TimedOut, BadAmount }
///
/// fn disposition(result: &Result<(), ChargeError>) -> Disposition {
///     match result {
///         Ok(()) | Err(ChargeError::Declined) => Disposition::Keep,
///         Err(ChargeError::TimedOut) => Disposition::Hold,
///         Err(ChargeError::BadAmount) => Disposition::Release,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// The result is kept for the operation's `ttl`, and retries replay it.
    Keep,
    /// The result is kept for this long instead.
    KeepFor(Duration),
    /// The record is removed, and a retry runs the body at once: there was no effect.
    Release,
    /// The key stays reserved until its lease lapses, then the guarantee decides: the outcome is
    /// unknown.
    Hold,
}
