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

#[cfg(test)]
mod tests {
    use super::*;

    /// A code as the protocol writes it.
    fn written(code: Code) -> String {
        let mut written = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !written.is_empty() {
                written.push('_');
            }
            written.push(letter.to_ascii_uppercase());
        }
        written
    }

    #[test]
    fn every_kind_of_refusal_is_documented() {
        let documented = include_str!("../../docs/grpc.md");
        for kind in [
            ErrorKind::MissingKey,
            ErrorKind::InvalidKey,
            ErrorKind::InProgress,
            ErrorKind::FingerprintMismatch,
            ErrorKind::Indeterminate,
            ErrorKind::ResultNotKept,
            ErrorKind::Incompatible,
            ErrorKind::Store,
            ErrorKind::Encode,
            ErrorKind::Decode,
            ErrorKind::Misconfigured,
        ] {
            let status = Status::from(Error::new(kind, "shop"));
            let reason = status.get_details_error_info().unwrap().reason;
            let row = documented.lines().find(|row| row.contains(&format!("`{reason}`"))).unwrap();
            assert!(row.contains(&format!("| `{}` |", written(status.code()))), "{row}");
            assert_eq!(row.ends_with("| yes |"), kind.is_retryable(), "{row}");
            assert_eq!(status.get_details_retry_info().is_some(), kind.is_retryable(), "{row}");
        }
    }
}
