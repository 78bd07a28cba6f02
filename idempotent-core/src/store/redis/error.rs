//! What redis-rs and the servers say, in the words of [`StoreError`].
//!
//! Servers quote the arguments of a command they do not know, and arguments are keys and results:
//! what is quoted is cut off here.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::store::{StoreError, StoreErrorKind};

/// How a server begins to quote what it was sent.
const QUOTES: &str = "with args beginning with";

/// The code of an error of our own.
const TOO_FEW: &str = "TOOFEWREPLICAS";

const NO_LOGIN: &str = "redis refused the user name or the password";

/// What the server answered, without anything that it was sent.
#[derive(Debug)]
struct Refusal {
    code: String,
    detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.detail)
    }
}

impl StdError for Refusal {}

/// The error of a store for an error of a call.
pub(super) fn store_error(error: RedisError) -> StoreError {
    if is_too_few(&error) {
        let message = error.detail().unwrap_or_default().to_owned();
        return StoreError::new(StoreErrorKind::Unavailable, message);
    }
    let (kind, message) = kind_of(&error);
    let store_error = StoreError::new(kind, message);
    match error.code().map(str::to_owned) {
        None => store_error.with_source(error),
        Some(code) => {
            let detail = error.detail().unwrap_or_default();
            let detail = detail.split(QUOTES).next().unwrap_or_default();
            let detail = detail.trim_end_matches([' ', ',']).to_owned();
            store_error.with_source(Refusal { code, detail })
        }
    }
}

fn kind_of(error: &RedisError) -> (StoreErrorKind, &'static str) {
    if error.is_timeout() {
        return (StoreErrorKind::Timeout, "redis did not answer in time");
    }
    let kind = match error.code() {
        Some("OOM") => (StoreErrorKind::Full, "redis is at its memory limit"),
        Some("WRONGTYPE") => {
            (StoreErrorKind::Malformed, "redis holds something that is no record under the key")
        }
        Some("NOPERM") => (StoreErrorKind::Unavailable, "the redis user lacks a permission"),
        Some("NOAUTH" | "WRONGPASS") => (StoreErrorKind::Unavailable, NO_LOGIN),
        Some("NOREPLICAS") => {
            (StoreErrorKind::Unavailable, "redis has too few replicas to accept writes")
        }
        _ => (StoreErrorKind::Unavailable, "redis is unavailable"),
    };
    match error.kind() {
        ErrorKind::AuthenticationFailed => (StoreErrorKind::Unavailable, NO_LOGIN),
        ErrorKind::InvalidClientConfig => {
            (StoreErrorKind::Unavailable, "redis cannot be reached as configured")
        }
        _ => kind,
    }
}

/// Whether the server understood a write, did not do it, and may still be asked to read.
pub(super) fn refuses_writes(error: &RedisError) -> bool {
    matches!(
        error.code(),
        Some("OOM" | "NOREPLICAS" | "READONLY" | "MISCONF" | "CLUSTERDOWN" | "MASTERDOWN")
    )
}

/// Whether the server is at its memory limit.
pub(super) fn is_out_of_memory(error: &RedisError) -> bool {
    error.code() == Some("OOM")
}

/// Whether the server does not know a command, or not in this form.
pub(super) fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && error.detail().is_some_and(|detail| {
            detail.starts_with("syntax error") || detail.starts_with("unknown command")
        })
}

/// Whether this connection leads to a server that is not the primary any more.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "MASTERDOWN"))
}

/// Fewer replicas than are wanted have a write.
pub(super) fn too_few(acknowledged: usize, wanted: usize, within: Duration) -> RedisError {
    let within = within.as_millis();
    let detail = format!("{acknowledged} of {wanted} replicas acknowledged within {within} ms");
    redis::make_extension_error(TOO_FEW.to_owned(), Some(detail))
}

pub(super) fn is_too_few(error: &RedisError) -> bool {
    error.code() == Some(TOO_FEW)
}

/// The server did not answer in time.
pub(super) fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The server answered something that is no answer to what it was asked.
pub(super) fn unexpected(answer: &Value) -> RedisError {
    let shape = match answer {
        Value::Nil => "nothing",
        Value::Int(_) => "an integer",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a string",
        Value::Array(_) => "an array",
        _ => "something else",
    };
    (ErrorKind::UnexpectedReturnType, "redis gave an unexpected answer", shape.to_owned()).into()
}
