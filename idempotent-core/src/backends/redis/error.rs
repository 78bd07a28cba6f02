//! Turns the errors of redis-rs and of the servers into [`StoreError`].
//!
//! Servers quote the arguments of a command that they do not know, and these are keys and results. So
//! quotes are cut off here.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind, Value};

use crate::store::{StoreError, StoreErrorKind};

/// How a server begins a quote of what it was sent.
const QUOTES: &str = "with args beginning with";

/// The codes of errors that this crate makes itself.
const TOO_FEW: &str = "TOOFEWREPLICAS";
const CLOSED: &str = "STORECLOSED";
const NO_CREDENTIALS: &str = "NOCREDENTIALS";

const NO_LOGIN: &str = "the server rejected the user name or the password: check the URL, or `username` \
                        and `password` of the builder";
const NO_PERMISSION: &str =
    "the user lacks a permission that the store needs: grant it, or connect as another user";
const NOT_CONFIGURED: &str = "it cannot be reached as configured: check the URL";

const NOT_REDIS: &str = "the answer is not one of Redis: is it a Redis server?";
const CUT_OFF: &str = "it closed the connection before it answered: is it a Redis server? If it wants TLS, write \
                       rediss://";

/// An error answer of a server, without anything that it was sent.
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

/// The store's error for an error of a command.
pub(super) fn store_error(error: RedisError) -> StoreError {
    if is_too_few_replicas(&error) {
        let message = error.detail().unwrap_or_default().to_owned();
        return StoreError::new(StoreErrorKind::Unavailable, message).without_outage();
    }
    if error.code() == Some(CLOSED) {
        let message = "the store has been closed";
        return StoreError::new(StoreErrorKind::Unavailable, message).without_answer();
    }
    if let (ErrorKind::InvalidClientConfig, Some(problem)) = (error.kind(), error.detail()) {
        // Of this crate, or of redis-rs, which quotes nothing.
        let message = problem.to_owned();
        return StoreError::new(StoreErrorKind::Unavailable, message).without_answer();
    }
    let (kind, message) = kind_of(&error);
    let mut store_error = StoreError::new(kind, message);
    if is_answer(&error) {
        store_error = store_error.without_outage();
    }
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
        return (StoreErrorKind::Timeout, "the server did not answer in time");
    }
    let kind = match error.code() {
        Some("OOM") => {
            (StoreErrorKind::Full, "the server has reached its memory limit (maxmemory)")
        }
        Some("WRONGTYPE") => {
            (StoreErrorKind::Malformed, "there is a value under the key that is not a record")
        }
        Some(NO_CREDENTIALS) => (StoreErrorKind::Unavailable, "the provider of credentials failed"),
        Some("NOPERM") => (StoreErrorKind::Unavailable, NO_PERMISSION),
        Some("NOAUTH" | "WRONGPASS") => (StoreErrorKind::Unavailable, NO_LOGIN),
        Some("NOREPLICAS") => {
            (StoreErrorKind::Unavailable, "the server has too few replicas to accept writes")
        }
        Some("READONLY") => (
            StoreErrorKind::Unavailable,
            "the server accepts no writes: it is a replica, or was the primary before a failover",
        ),
        Some("LOADING") => (StoreErrorKind::Unavailable, "the server is still loading its data"),
        Some("MISCONF") => (StoreErrorKind::Unavailable, "the server cannot save to its disk"),
        Some("CLUSTERDOWN") => (StoreErrorKind::Unavailable, "the cluster is down"),
        Some(_) => (StoreErrorKind::Unavailable, "the server refused the command"),
        None if error.kind() == ErrorKind::UnexpectedReturnType => {
            (StoreErrorKind::Unavailable, "the server gave an answer that does not fit the command")
        }
        None if error.kind() == ErrorKind::Parse => (StoreErrorKind::Unavailable, NOT_REDIS),
        None => (StoreErrorKind::Unavailable, "the server cannot be reached"),
    };
    match error.kind() {
        ErrorKind::AuthenticationFailed => (StoreErrorKind::Unavailable, NO_LOGIN),
        ErrorKind::InvalidClientConfig => (StoreErrorKind::Unavailable, NOT_CONFIGURED),
        _ => kind,
    }
}

/// Whether the server is there: it answered, and will answer the next call as soon. One that loads its data, or whose
/// provider of credentials fails, keeps calls waiting.
fn is_answer(error: &RedisError) -> bool {
    match error.code() {
        Some("LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | NO_CREDENTIALS) => false,
        Some(_) => true,
        None => matches!(
            error.kind(),
            ErrorKind::AuthenticationFailed
                | ErrorKind::InvalidClientConfig
                | ErrorKind::UnexpectedReturnType
        ),
    }
}

/// Whether the server understood a write and refused it, but may still answer reads.
pub(super) fn refuses_writes(error: &RedisError) -> bool {
    matches!(
        error.code(),
        Some("OOM" | "NOREPLICAS" | "READONLY" | "MISCONF" | "CLUSTERDOWN" | "MASTERDOWN")
    )
}

/// Whether the server has reached its memory limit.
pub(super) fn is_out_of_memory(error: &RedisError) -> bool {
    error.code() == Some("OOM")
}

/// Whether the server does not know a command, or one of its options.
pub(super) fn is_unknown_command(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError)
        && error.detail().is_some_and(|detail| {
            detail.starts_with("syntax error") || detail.starts_with("unknown command")
        })
}

/// Whether the server is not the primary any more.
pub(super) fn is_demoted(error: &RedisError) -> bool {
    match error.code() {
        Some("READONLY" | "MASTERDOWN") => true,
        // What a proxy, or a server older than those that are supported, makes of it within a script.
        Some("ERR") => error.detail().is_some_and(|detail| detail.contains("-READONLY ")),
        _ => false,
    }
}

/// Whether the server refuses commands in a way that one does which was cut off and replaced, but also one that
/// is still the primary: it loads its data, its replicas are missing, or its disk fails.
pub(super) fn may_be_replaced(error: &RedisError) -> bool {
    matches!(error.code(), Some("LOADING" | "NOREPLICAS" | "MISCONF"))
}

/// Fewer replicas have a write than are required.
pub(super) fn too_few_replicas(
    acknowledged: usize,
    wanted: usize,
    timeout: Duration,
) -> RedisError {
    let timeout = timeout.as_millis();
    let detail = format!("{acknowledged} of {wanted} replicas acknowledged within {timeout} ms");
    redis::make_extension_error(TOO_FEW.to_owned(), Some(detail))
}

fn is_too_few_replicas(error: &RedisError) -> bool {
    error.code() == Some(TOO_FEW)
}

/// The provider of credentials failed, so no connection could be made.
pub(super) fn no_credentials(error: &StoreError) -> RedisError {
    let cause = error.source().map(ToString::to_string);
    redis::make_extension_error(NO_CREDENTIALS.to_owned(), cause)
}

/// The store has been closed.
pub(super) fn closed() -> RedisError {
    redis::make_extension_error(CLOSED.to_owned(), None)
}

/// The server did not answer in time.
pub(super) fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The error of an attempt to connect. One that was cut off is told what is on the other side, as far as can be told.
pub(super) fn connect_error(error: RedisError) -> RedisError {
    // An error without a source is one of redis-rs, for instance of an address.
    let is_cut_off = error.is_connection_dropped() && !error.is_connection_refusal();
    match is_cut_off && error.source().is_some() {
        true => io::Error::new(io::ErrorKind::BrokenPipe, CUT_OFF).into(),
        false => error,
    }
}

/// The connection was lost before the answer arrived.
pub(super) fn lost_connection() -> RedisError {
    (ErrorKind::Io, "the connection to the server was lost").into()
}

/// No primary has the slot of a key, or none is known.
#[cfg(feature = "redis-cluster")]
pub(super) fn unassigned_slot() -> RedisError {
    (ErrorKind::ClusterConnectionNotFound, "no node of the cluster has the slot of the key").into()
}

/// The server's answer does not fit the command.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_the_primary_any_more_is_left() {
        let error = |code: &str, detail: &str| {
            redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
        };
        assert!(is_demoted(&error("READONLY", "You can't write against a read only replica.")));
        assert!(is_demoted(&error("MASTERDOWN", "Link with MASTER is down")));
        let in_script = "Error running script: @user_script:1: -READONLY You can't write";
        assert!(is_demoted(&error("ERR", in_script)));
        assert!(!is_demoted(&error("ERR", "unknown command 'READONLY'")));
        for code in ["LOADING", "NOREPLICAS", "MISCONF"] {
            assert!(may_be_replaced(&error(code, "")) && !is_demoted(&error(code, "")), "{code}");
        }
        assert!(!may_be_replaced(&error("OOM", "")));
    }
}
