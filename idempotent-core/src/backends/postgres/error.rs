//! Errors of sqlx and of the server, as errors of a store.

use std::io;

use sqlx::Error;

use crate::backends::shared::sql::{SCHEMA_MISSING, is_postgres_conflict};
use crate::store::{StoreError, StoreErrorKind};

const DOWN: &str = "postgres is unavailable";
const NO_ANSWER: &str = "postgres did not answer in time";
const NO_LOGIN: &str = "postgres refused the user name or the password";
const NOT_ALLOWED: &str = "the postgres user lacks a right on the tables of the store: grant it, or connect as another user";
const READ_ONLY: &str = "postgres accepts no writes: it is a standby, or set to read only";
const CLOSED: &str = "the pool of connections is closed";
const EXHAUSTED: &str = "no connection to postgres was available in time: none of the pool is free, or the \
                         server cannot be reached";

/// The error of a store for an error of sqlx.
pub(super) fn store_error(error: Error) -> StoreError {
    let (kind, message) = kind_of(&error);
    match error {
        // A configuration error may quote the URL, and with it the password.
        Error::PoolClosed | Error::PoolTimedOut | Error::Configuration(_) => {
            StoreError::new(kind, message)
        }
        error => StoreError::new(kind, message).with_source(error),
    }
}

fn kind_of(error: &Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Full, Timeout, Unavailable};
    match error {
        Error::PoolTimedOut => (Timeout, EXHAUSTED),
        Error::PoolClosed => (Unavailable, CLOSED),
        Error::Configuration(_) => {
            (Unavailable, "postgres cannot be reached as configured: check the URL")
        }
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => (Timeout, NO_ANSWER),
        Error::Database(error) => match error.code().as_deref().unwrap_or_default() {
            // Cancelled by a timeout of the server or the role, or by an operator.
            "57014" | "55P03" => (Timeout, NO_ANSWER),
            "28000" | "28P01" => (Unavailable, NO_LOGIN),
            "42P01" | "42703" | "42883" | "3F000" => (Unavailable, SCHEMA_MISSING),
            "42501" => (Unavailable, NOT_ALLOWED),
            "25006" => (Unavailable, READ_ONLY),
            "53100" | "53200" => (Full, "postgres is out of disk space or memory"),
            _ => (Unavailable, DOWN),
        },
        _ => (Unavailable, DOWN),
    }
}

/// Whether the server accepts no writes.
pub(super) fn is_read_only(error: &Error) -> bool {
    code_is(error, |code| code == "25006")
}

/// Whether the connection can no longer be used.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        // The server is shutting down, ended this connection, or lost one of its processes.
        _ => code_is(error, |code| {
            matches!(code, "57P01" | "57P02" | "57P03" | "57P05") || code.starts_with("08")
        }),
    }
}

/// Whether the statement failed because of a conflict: the role or the database may set an isolation
/// level at which any statement can.
pub(super) fn is_conflict(error: &Error) -> bool {
    code_is(error, is_postgres_conflict)
}

/// The error when the server does not answer in time.
pub(super) fn timed_out() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

/// The error for an answer that the statement cannot have.
pub(super) fn unexpected(what: &'static str) -> Error {
    Error::Decode(what.into())
}

fn code_is(error: &Error, test: impl Fn(&str) -> bool) -> bool {
    match error {
        Error::Database(error) => error.code().as_deref().is_some_and(test),
        _ => false,
    }
}
