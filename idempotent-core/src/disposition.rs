//! What becomes of a key when its call ends.

use std::time::Duration;

/// What becomes of the key when the body ends.
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
    /// The result is kept for the operation's `ttl`, and a retry replays it.
    Keep,
    /// The result is kept for so long instead.
    KeepFor(Duration),
    /// The record goes, and a retry runs the body at once: nothing had happened.
    Release,
    /// The key stays reserved until its lease ends, then the guarantee decides: the outcome is not
    /// known.
    Hold,
}
