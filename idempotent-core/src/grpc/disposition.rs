//! What a status says about the effect of its call.

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::error_status::DOMAIN;
use crate::Disposition;

/// The disposition of a status, judging by its code. This is the default of a gRPC call.
///
/// * [`Keep`](Disposition::Keep) replays the status to retries. Final refusals get it:
///   `INVALID_ARGUMENT`, `NOT_FOUND`, `ALREADY_EXISTS`, `FAILED_PRECONDITION`, `OUT_OF_RANGE`.
/// * [`Release`](Disposition::Release) lets a retry run at once. Only codes that are known to precede the
///   effect get it: `UNAUTHENTICATED` and `PERMISSION_DENIED`.
/// * [`HoldForLease`](Disposition::HoldForLease) is for `CANCELLED` and `DEADLINE_EXCEEDED`: somebody
///   stopped waiting, and work may still be going on.
/// * [`Unknown`](Disposition::Unknown) is for codes that do not say whether the call took effect:
///   `UNKNOWN`, `INTERNAL`, `UNAVAILABLE`, `DATA_LOSS`, and
///   * `ABORTED`: a transaction was rolled back, but not what happened outside of it;
///   * `RESOURCE_EXHAUSTED` and `UNIMPLEMENTED`: methods often return the statuses of methods they call.
///     The first may then mean a quota or a response that was too large to receive, the second an
///     unknown method or a response that could not be decompressed;
///   * every refusal of another idempotent call, whatever its code.
///
/// If a method checks its quota before everything else, say so with `on_error`. Do so as well if it
/// returns a `PERMISSION_DENIED` that it may get after its own effect:
///
/// ```
/// use idempotent_core::Disposition;
/// use idempotent_core::grpc::disposition_of;
/// use tonic::{Code, Status};
///
/// fn quota_first(status: &Status) -> Disposition {
///     match status.code() {
///         Code::ResourceExhausted => Disposition::Release,
///         Code::PermissionDenied => Disposition::Unknown,
///         _ => disposition_of(status),
///     }
/// }
///
/// assert_eq!(quota_first(&Status::resource_exhausted("")), Disposition::Release);
/// assert_eq!(quota_first(&Status::not_found("")), Disposition::Keep);
/// assert_eq!(quota_first(&Status::deadline_exceeded("")), Disposition::HoldForLease);
/// ```
#[must_use]
pub fn disposition_of(status: &Status) -> Disposition {
    match status.code() {
        _ if is_refusal(status) => Disposition::Unknown,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange => Disposition::Keep,
        Code::Unauthenticated | Code::PermissionDenied => Disposition::Release,
        Code::Cancelled | Code::DeadlineExceeded => Disposition::HoldForLease,
        Code::Unknown
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Disposition::Unknown,
    }
}

/// Whether a status is a refusal by this crate, here or in another service. If it were kept, it would be
/// replayed long after its reason is gone.
fn is_refusal(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| info.domain == DOMAIN)
}
