//! The types of problems, with their statuses and texts.
//!
//! The texts are fixed. None is taken from an error or a record, so they reveal nothing about another
//! caller's request, the store or its address.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::document::Problem;
use crate::http::{IdempotencyKey, InvalidKey};
use crate::{Error, ErrorKind};

/// When to retry if nothing better is known.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// What differs under a layer.
const OTHER_REQUEST: &str = "The first request with this key had another method, host, path, query, content type \
                             or body. Send a new request with a new key.";

impl Problem {
    pub(in crate::http) const fn missing_scope() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "missing_scope",
            "The idempotency key has no owner",
            "Keys belong to a caller, and this request does not say who its caller is.",
        )
    }

    pub(in crate::http) const fn unreadable_body() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "unreadable_body",
            "The request's body could not be read",
            "The body ended before it was complete, and the request was not processed. Send the \
             whole body.",
        )
    }

    pub(in crate::http) const fn request_too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            "The request is too large",
            "The body exceeds the limit for requests with an idempotency key. The request was not \
             processed.",
        )
    }

    pub(in crate::http) const fn grpc_not_guarded() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "grpc_not_guarded",
            "gRPC is not served here",
            "The request has the media type of gRPC, whose answers cannot be repeated here. It was not \
             processed.",
        )
    }

    /// The problem of a call that is refused for the same reason once its body is there.
    pub(in crate::http) fn overloaded() -> Self {
        Self::of_kind(ErrorKind::Overloaded).retry_in(Some(DEFAULT_RETRY_AFTER))
    }

    /// Likewise.
    pub(in crate::http) fn too_many_calls() -> Self {
        Self::of_kind(ErrorKind::TooManyCalls).retry_in(Some(DEFAULT_RETRY_AFTER))
    }

    pub(in crate::http) const fn read_timeout() -> Self {
        let problem = Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "read_timeout",
            "The request's body took too long",
            "The body was not complete in time, and the request was not processed. Send it again, with the \
             same key.",
        );
        problem.retry_in(Some(DEFAULT_RETRY_AFTER))
    }

    pub(in crate::http) const fn read_budget_exhausted() -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "read_budget_exhausted",
            "Too many bodies are being read",
            "The request was not processed. Send it again later, with the same key.",
        );
        problem.retry_in(Some(DEFAULT_RETRY_AFTER))
    }

    pub(in crate::http) const fn shutting_down() -> Self {
        let problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "This process is shutting down",
            "The request was not processed. Send it again later, with the same key.",
        );
        problem.retry_in(Some(DEFAULT_RETRY_AFTER))
    }
}

impl Problem {
    /// The problem of a call whose payload is the whole request.
    pub(in crate::http) fn of_request(error: &Error) -> Self {
        let problem = Self::from(error);
        match error.kind() {
            ErrorKind::FingerprintMismatch => problem.detailed(OTHER_REQUEST.to_owned()),
            _ => problem,
        }
    }
}

impl From<InvalidKey> for Problem {
    fn from(invalid: InvalidKey) -> Self {
        Self::of_key(invalid, &IdempotencyKey::HEADER)
    }
}

impl Problem {
    /// The problem of a key, or of a request without one, in a service whose keys have this header.
    pub(in crate::http) fn of_key(invalid: InvalidKey, header: &HeaderName) -> Self {
        let (code, title) = match invalid {
            InvalidKey::Missing => ("missing_key", "The idempotency key is missing"),
            InvalidKey::TooLong { .. } => ("key_too_long", "The idempotency key is too long"),
            _ => ("invalid_key", "The idempotency key is invalid"),
        };
        let header = HeaderText(header);
        let detail = match invalid {
            InvalidKey::Missing => format!(
                "This operation needs the header {header}. Send a random UUID, and the same one with each \
                 retry."
            ),
            InvalidKey::Repeated => format!("The header {header} is repeated. Send one key."),
            InvalidKey::List => format!("The header {header} is a list. Send one key."),
            InvalidKey::Empty => format!("The key in the header {header} is empty."),
            InvalidKey::TooLong { max_bytes } => {
                format!("The key in the header {header} has more than {max_bytes} characters.")
            }
            InvalidKey::Character => {
                format!("The key in the header {header} has a character outside printable ASCII.")
            }
            InvalidKey::Syntax => {
                format!("The key in the header {header} is neither a quoted string nor a bare key.")
            }
            InvalidKey::Weak => {
                format!("The key in the header {header} could be guessed. Send a random UUID.")
            }
        };
        Self::new(StatusCode::BAD_REQUEST, code, title, "").detailed(detail)
    }
}

/// The name of a header as people write it.
struct HeaderText<'a>(&'a HeaderName);

impl fmt::Display for HeaderText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, word) in self.0.as_str().split('-').enumerate() {
            if place > 0 {
                f.write_str("-")?;
            }
            let (first, rest) = word.split_at(word.len().min(1));
            write!(f, "{}{rest}", first.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

impl Problem {
    /// The problem of an error of this kind.
    fn of_kind(kind: ErrorKind) -> Self {
        let (title, detail) = texts(kind);
        let status = StatusCode::from_u16(kind.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, kind.code(), title, detail)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let kind = error.kind();
        let mut problem = Self::of_kind(kind);
        // The limit is the service's own, and the client has to know it.
        if let Some(limit) = error.limit() {
            problem = problem.detailed(format!("The key has more than {limit} bytes."));
        }
        let after = kind.is_retryable().then(|| error.retry_after().unwrap_or(DEFAULT_RETRY_AFTER));
        problem.retry_in(after)
    }
}

fn texts(kind: ErrorKind) -> (&'static str, &'static str) {
    match kind {
        ErrorKind::MissingKey => {
            ("The idempotency key is missing", "This operation needs an idempotency key.")
        }
        ErrorKind::InvalidKey => (
            "The idempotency key is invalid",
            "The key, or a part of it, is empty or can be guessed.",
        ),
        ErrorKind::KeyTooLong => {
            ("The idempotency key is too long", "The key is longer than this service accepts.")
        }
        ErrorKind::InvalidScope => (
            "The owner of the idempotency key is invalid",
            "The service names its callers in a way that it does not accept itself. The request was not \
             processed.",
        ),
        ErrorKind::InProgress => (
            "A request with this idempotency key is in progress",
            "The first request with this key has not ended. Send the same request again later.",
        ),
        ErrorKind::Held => (
            "The idempotency key is held",
            "An earlier request with this key went away, and its work may still be going on. Send the \
             same request again later.",
        ),
        ErrorKind::OwnerFailed => (
            "The first request with this idempotency key failed",
            "This request waited for it, and it is not known whether it took effect. Send the same \
             request again later.",
        ),
        ErrorKind::FingerprintMismatch => (
            "The idempotency key was used with another request",
            "The first request with this key had another payload. Send a new request with a new key.",
        ),
        ErrorKind::Indeterminate => (
            "It is not known whether the request took effect",
            "The first request with this key was interrupted. It is not repeated until the operators \
             of this service have found out whether it took effect.",
        ),
        ErrorKind::ResultNotKept => (
            "The response was not kept",
            "The request with this key was processed, but its response was not kept. It is not \
             processed again.",
        ),
        ErrorKind::Incompatible => (
            "The key's record cannot be read",
            "The key was used with a version of this service that the present one does not \
             understand.",
        ),
        ErrorKind::NotAuthentic => (
            "The key's record cannot be trusted",
            "The service did not write the record of this key, or it was changed since. The request was \
             not processed.",
        ),
        ErrorKind::TooManyCalls => (
            "Too many requests of this caller are running",
            "The request was not processed. Send it again later, with the same key.",
        ),
        ErrorKind::ScopeFull => (
            "This caller has used up its share of idempotency keys",
            "The request was not processed. Send it again later, with the same key.",
        ),
        ErrorKind::Overloaded => (
            "Too many requests are running",
            "The request was not processed. Send it again later, with the same key.",
        ),
        ErrorKind::Store => (
            "The idempotency key cannot be looked up",
            "The request was not processed. Send it again later, with the same key.",
        ),
        ErrorKind::Encode => (
            "The request cannot be compared",
            "The service could not compute the fingerprint of the request, which was not processed.",
        ),
        ErrorKind::Decode => (
            "The response cannot be read",
            "The request with this key was processed, but its stored response cannot be read.",
        ),
        ErrorKind::NotReplayable => (
            "The response cannot be repeated",
            "The request was processed, but its response could not be kept as it is. It is not \
             processed again.",
        ),
        ErrorKind::TooManySteps => (
            "The request has too many steps",
            "The request was not processed to its end. What it has done is recorded, and is not repeated.",
        ),
        ErrorKind::Misconfigured => {
            ("The service is misconfigured", "The request was not processed.")
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn every_kind_of_error_is_documented() {
        let documented = include_str!("../../../docs/problems.md");
        for kind in [
            ErrorKind::MissingKey,
            ErrorKind::InvalidKey,
            ErrorKind::KeyTooLong,
            ErrorKind::InvalidScope,
            ErrorKind::InProgress,
            ErrorKind::Held,
            ErrorKind::OwnerFailed,
            ErrorKind::FingerprintMismatch,
            ErrorKind::Indeterminate,
            ErrorKind::ResultNotKept,
            ErrorKind::Incompatible,
            ErrorKind::NotAuthentic,
            ErrorKind::TooManyCalls,
            ErrorKind::ScopeFull,
            ErrorKind::Overloaded,
            ErrorKind::Store,
            ErrorKind::Encode,
            ErrorKind::Decode,
            ErrorKind::NotReplayable,
            ErrorKind::TooManySteps,
            ErrorKind::Misconfigured,
        ] {
            let problem = Problem::from(&Error::new(kind, "shop"));
            let heading = format!("# `{}`", problem.code());
            assert!(documented.lines().any(|line| line == heading), "{heading}");
            assert_eq!(problem.status().as_u16(), kind.status());
            assert_eq!(problem.is_retryable(), kind.is_retryable());
        }
    }

    #[test]
    fn the_layers_own_problems_are_documented() {
        let documented = include_str!("../../../docs/problems.md");
        for problem in [
            Problem::missing_scope(),
            Problem::unreadable_body(),
            Problem::request_too_large(),
            Problem::grpc_not_guarded(),
            Problem::read_timeout(),
            Problem::read_budget_exhausted(),
            Problem::shutting_down(),
        ] {
            let row = format!("| `{}` | {} |", problem.code(), problem.status().as_u16());
            assert!(documented.contains(&row), "{row}");
            assert!(documented.contains(&format!("\n# `{}`\n", problem.code())));
        }
    }

    #[test]
    fn a_problem_quotes_nothing_of_its_error() {
        let error = Error::new(ErrorKind::Store, "shop::charge").detail("redis://:secret@10.0.0.1");
        let response = Problem::from(&error).into_response::<Bytes>();
        let text = format!("{response:?}");
        assert!(!text.contains("secret") && !text.contains("shop::charge"), "{text}");
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_call_of_the_service_itself_was_not_another_request() {
        let shown = |problem: Problem| {
            String::from_utf8_lossy(&problem.into_response::<Bytes>().into_body()).into_owned()
        };
        let mismatch = || Error::new(ErrorKind::FingerprintMismatch, "shop.charge");
        let (own, of_layer) =
            (shown(Problem::from(mismatch())), shown(Problem::of_request(&mismatch())));
        assert!(own.contains("had another payload.") && !own.contains("method"), "{own}");
        assert!(of_layer.contains("had another method, host, path"), "{of_layer}");
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let error = |after| {
            Error::new(ErrorKind::InProgress, "shop").retry_in(Some(Duration::from_millis(after)))
        };
        for (after, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2)] {
            let retry_after = Problem::from(&error(after)).retry_after();
            assert_eq!(retry_after, Some(Duration::from_secs(seconds)));
        }
    }
}
