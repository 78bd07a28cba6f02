//! What a status says about its effect.

use tonic::Code;

use crate::Disposition;

/// The disposition of an answer by its code, unless a call says otherwise.
///
/// * [`Keep`](Disposition::Keep), so that a retry gets it again, for answers and final refusals:
///   `OK`, `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`.
/// * [`Release`](Disposition::Release), so that a retry runs at once, only for what is known to
///   precede the effect: `UNAUTHENTICATED` and `PERMISSION_DENIED`.
/// * [`Hold`](Disposition::Hold) for what leaves it open: `CANCELLED`, `UNKNOWN`,
///   `DEADLINE_EXCEEDED`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`. So does `ABORTED`: a transaction was
///   undone, which does not undo what happened outside of it. Methods often pass on the statuses of
///   those they call, and then `RESOURCE_EXHAUSTED` is a quota or an answer that was too large to be
///   received, and `UNIMPLEMENTED` a method or an answer that could not be decompressed.
///
/// A method whose quota comes before everything else says so with `on_error`:
///
/// ```
/// use idempotent_core::Disposition;
/// use idempotent_core::grpc::disposition_of;
/// use tonic::{Code, Status};
///
/// fn quota_first(status: &Status) -> Disposition {
///     match status.code() {
///         Code::ResourceExhausted => Disposition::Release,
///         code => disposition_of(code),
///     }
/// }
///
/// assert_eq!(quota_first(&Status::resource_exhausted("")), Disposition::Release);
/// assert_eq!(quota_first(&Status::not_found("")), Disposition::Keep);
/// assert_eq!(quota_first(&Status::deadline_exceeded("")), Disposition::Hold);
/// ```
#[must_use]
pub fn disposition_of(code: Code) -> Disposition {
    match code {
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
