//! What a status says about its effect.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::refusal::{DOMAIN, reason_of};
use crate::{Disposition, ErrorKind};

/// The disposition of a status by its code, unless a call says otherwise.
///
/// * [`Keep`](Disposition::Keep), so that a retry gets it again, for final refusals:
///   `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`.
/// * [`Release`](Disposition::Release), so that a retry runs at once, only for what is known to
///   precede the effect: `UNAUTHENTICATED` and `PERMISSION_DENIED`.
/// * [`Hold`](Disposition::Hold) for what leaves it open: `CANCELLED`, `UNKNOWN`,
///   `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`. So does `ABORTED`: a transaction was
///   undone, which does not undo what happened outside of it. Methods often pass on the statuses of
///   those they call, and then `RESOURCE_EXHAUSTED` is a quota or an answer that was too large to be
///   received, and `UNIMPLEMENTED` a method or an answer that could not be decompressed. A refusal of
///   another idempotent call that is passed on and says `INDETERMINATE` leaves it open as well.
///
/// A method whose quota comes before everything else says so with `on_error`; so does one that passes
/// on a `PERMISSION_DENIED` which it gets after its own effect:
///
/// ```
/// use idempotent_core::Disposition;
/// use idempotent_core::grpc::disposition_of;
/// use tonic::{Code, Status};
///
/// fn quota_first(status: &Status) -> Disposition {
///     match status.code() {
///         Code::ResourceExhausted => Disposition::Release,
///         Code::PermissionDenied => Disposition::Hold,
///         _ => disposition_of(status),
///     }
/// }
///
/// assert_eq!(quota_first(&Status::resource_exhausted("")), Disposition::Release);
/// assert_eq!(quota_first(&Status::not_found("")), Disposition::Keep);
/// assert_eq!(quota_first(&Status::deadline_exceeded("")), Disposition::Hold);
/// ```
#[must_use]
pub fn disposition_of(status: &Status) -> Disposition {
    match status.code() {
        Code::FailedPrecondition if is_indeterminate(status) => Disposition::Hold,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => Disposition::Keep,
        Code::Unauthenticated | Code::PermissionDenied => Disposition::Release,
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Disposition::Hold,
    }
}

/// Kept, it would be replayed long after somebody resolved the other call.
fn is_indeterminate(status: &Status) -> bool {
    let info = status.get_details_error_info();
    info.is_some_and(|info| {
        info.domain == DOMAIN && info.reason == reason_of(ErrorKind::Indeterminate)
    })
}
