//! Refusals as statuses.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Error, ErrorKind};

/// The domain of a refusal's `ErrorInfo`.
pub const DOMAIN: &str = "idempotent-core";

/// What the retries of gRPC clients obey: how many milliseconds to wait.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// When to come back where nobody knows better.
const SOON: Duration = Duration::from_secs(1);

/// The code of a refusal of this kind.
///
/// ```
/// use idempotent_core::{ErrorKind, grpc};
/// use tonic::Code;
///
/// assert_eq!(grpc::code_of(ErrorKind::InProgress), Code::Aborted);
/// assert_eq!(grpc::code_of(ErrorKind::Store), Code::Unavailable);
/// ```
#[must_use]
pub const fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::MissingKey | ErrorKind::InvalidKey => Code::InvalidArgument,
        ErrorKind::InProgress => Code::Aborted,
        ErrorKind::FingerprintMismatch | ErrorKind::Indeterminate | ErrorKind::ResultNotKept => {
            Code::FailedPrecondition
        }
        ErrorKind::Store => Code::Unavailable,
        ErrorKind::Incompatible
        | ErrorKind::Encode
        | ErrorKind::Decode
        | ErrorKind::Misconfigured => Code::Internal,
    }
}

/// The refusal, with nothing of its details on the wire: they are its `source()`. One that the service
/// is to blame for is logged.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        if error.status() >= 500 {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an idempotent call is refused"
            );
        }
        let mut status = status(kind, kind.summary(), error.retry_after());
        status.set_source(Arc::new(error));
        status
    }
}

/// The `reason` of a kind, in the capitals that `ErrorInfo` asks for.
pub(super) fn reason_of(kind: ErrorKind) -> String {
    kind.code().to_ascii_uppercase()
}

/// The status of a kind. Only a retryable one says when to come back.
pub(super) fn status(kind: ErrorKind, text: &str, after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason_of(kind), DOMAIN, []);
    let mut metadata = MetadataMap::new();
    if kind.is_retryable() {
        let after = after.unwrap_or(SOON);
        details.set_retry_info(Some(after));
        let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        metadata.insert(PUSHBACK, millis.into());
    }
    Status::with_error_details_and_metadata(code_of(kind), text, details, metadata)
}
