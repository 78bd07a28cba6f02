//! Errors as gRPC statuses.

use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{Error, ErrorKind};

/// The domain of the `ErrorInfo` in a refusal.
pub const DOMAIN: &str = "idempotent-core";

/// How many milliseconds a client should wait before it retries. The retries built into gRPC clients
/// obey it.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// When to retry if nothing better is known.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The gRPC code for an error of this kind.
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
        ErrorKind::MissingKey | ErrorKind::InvalidKey | ErrorKind::KeyTooLong => {
            Code::InvalidArgument
        }
        ErrorKind::InProgress | ErrorKind::Held | ErrorKind::OwnerFailed => Code::Aborted,
        ErrorKind::FingerprintMismatch | ErrorKind::Indeterminate | ErrorKind::ResultNotKept => {
            Code::FailedPrecondition
        }
        ErrorKind::TooManyCalls | ErrorKind::ScopeFull => Code::ResourceExhausted,
        ErrorKind::Overloaded | ErrorKind::Store => Code::Unavailable,
        ErrorKind::InvalidScope
        | ErrorKind::Incompatible
        | ErrorKind::NotAuthentic
        | ErrorKind::Encode
        | ErrorKind::Decode
        | ErrorKind::NotReplayable
        | ErrorKind::TooManySteps
        | ErrorKind::Misconfigured => Code::Internal,
    }
}

/// The status reveals no details to the client: the error is its `source()`. An error that is the
/// service's fault is logged.
impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let kind = error.kind();
        if error.status() >= 500 {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an idempotent call is refused"
            );
        }
        let mut status = status(kind, error.summary(), error.retry_after());
        status.set_source(Arc::new(error));
        status
    }
}

/// The `reason` of the `ErrorInfo`, in capitals as its specification requires.
pub(super) fn reason_of(kind: ErrorKind) -> String {
    kind.code().to_ascii_uppercase()
}

/// The status for an error of this kind. Only a retryable one says when to retry.
pub(super) fn status(kind: ErrorKind, text: &str, retry_after: Option<Duration>) -> Status {
    let mut details = ErrorDetails::with_error_info(reason_of(kind), DOMAIN, []);
    let mut metadata = MetadataMap::new();
    if kind.is_retryable() {
        let after = retry_after.unwrap_or(DEFAULT_RETRY_AFTER);
        details.set_retry_info(Some(after));
        let millis = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        metadata.insert(RETRY_PUSHBACK, millis.into());
    }
    Status::with_error_details_and_metadata(code_of(kind), text, details, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of a code in the protocol.
    fn protocol_name(code: Code) -> String {
        let mut name = String::new();
        for letter in format!("{code:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    #[test]
    fn every_kind_of_refusal_is_documented() {
        let documented = include_str!("../../docs/grpc.md");
        for kind in [
            ErrorKind::MissingKey,
            ErrorKind::InvalidKey,
            ErrorKind::KeyTooLong,
            ErrorKind::InvalidScope,
            ErrorKind::InProgress,
            ErrorKind::FingerprintMismatch,
            ErrorKind::Indeterminate,
            ErrorKind::ResultNotKept,
            ErrorKind::Incompatible,
            ErrorKind::NotAuthentic,
            ErrorKind::Store,
            ErrorKind::Encode,
            ErrorKind::Decode,
            ErrorKind::NotReplayable,
            ErrorKind::Misconfigured,
        ] {
            let status = Status::from(Error::new(kind, "shop"));
            let reason = status.get_details_error_info().unwrap().reason;
            let row = documented.lines().find(|row| row.contains(&format!("`{reason}`"))).unwrap();
            assert!(row.contains(&format!("| `{}` |", protocol_name(status.code()))), "{row}");
            assert_eq!(row.ends_with("| yes |"), kind.is_retryable(), "{row}");
            assert_eq!(status.get_details_retry_info().is_some(), kind.is_retryable(), "{row}");
        }
    }
}
