//! [`Disposition`]: what happens to a key when its call ends.

use std::time::Duration;

/// What happens to the key when the body ends.
///
/// A declined card is final: [`Keep`](Self::Keep). A gateway that timed out may have charged:
/// [`Unknown`](Self::Unknown). A validation error happened before any effect:
/// [`Release`](Self::Release).
///
/// ```
/// use idempotent_core::Disposition;
///
/// enum ChargeError { Declined, TimedOut, BadAmount }
///
/// fn disposition(result: &Result<(), ChargeError>) -> Disposition {
///     match result {
///         Ok(()) | Err(ChargeError::Declined) => Disposition::Keep,
///         Err(ChargeError::TimedOut) => Disposition::Unknown,
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
    /// The record is removed, and the next call runs the body: there was no effect.
    Release,
    /// The body has ended, and nobody knows what it did: it crashed half way, or the answer of
    /// another service was lost.
    ///
    /// Under *at least once* the key is vacant at once, since waiting would change nothing: the
    /// next call runs the body. Callers that were [waiting](crate::Operation::wait) for this one
    /// are told to retry ([`OwnerFailed`](crate::ErrorKind::OwnerFailed)) instead of running a
    /// failing body one after the other. Under *at most once* the record is
    /// [indeterminate](crate::ErrorKind::Indeterminate) at once, until somebody resolves it.
    Unknown,
    /// Work may still be going on elsewhere: a request that timed out may yet arrive. The key stays
    /// reserved until its lease lapses, and then the guarantee decides. Until then calls are
    /// refused with [`Held`](crate::ErrorKind::Held), which says how long that takes, and nobody
    /// waits for it.
    HoldForLease,
    /// The call is interrupted, and is to be resumed: what its [steps](crate::guide::calls_of_several_effects) have
    /// recorded and its input stay, the next caller resumes it at once, and a
    /// [`Recovery`](crate::engine::Recovery) does after a pause. For an error that passes, such as a gateway that is
    /// down.
    ///
    /// A call without a recorded step and without `resume` has nothing to go on with: this is then
    /// [`Unknown`](Self::Unknown).
    Suspend,
}
