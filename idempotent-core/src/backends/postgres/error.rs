//! Errors of sqlx and of the server, as errors of a store.

use std::io;
use std::sync::Arc;

use sqlx::Error;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use super::autocommit::MARK;
use super::sqlstate::{Meaning, meaning};
use crate::backends::shared::sql::SCHEMA_MISSING;
use crate::store::{StoreError, StoreErrorKind};

const DOWN: &str = "the server cannot be reached";
const LOST: &str = "the server ended the connection";
const REFUSED: &str = "the server refused the statement";
const REFUSED_CONNECTION: &str = "the server refused the connection";
const NO_ANSWER: &str = "the server did not answer in time";
const NO_LOGIN: &str = "the server refused the user name or the password";
const NO_DATABASE: &str = "there is no such database: create it, or name another one";
const NOT_ALLOWED: &str =
    "the user lacks a right on the tables of the store: grant it, or connect as another user";
const READ_ONLY: &str = "the server accepts no writes: it is a standby, or set to read only";
const CLOSED: &str = "the pool of connections is closed";
const EXHAUSTED: &str = "every connection of the pool was in use for too long: give it more, or hold them for less time";
const IN_TRANSACTION: &str = "every connection of the pool that was tried is within a transaction that somebody left \
                              open, for example by a `begin` that was cancelled";

/// The error of a store for an error of sqlx that several callers have.
pub(super) fn store_error_of(error: &Arc<Error>) -> StoreError {
    let (kind, message) = kind_of(error);
    about_server(StoreError::new(kind, message).with_source(Arc::clone(error)), error)
}

/// Whether it may be due to one of the steps that a statement takes.
pub(super) fn is_of_the_data(error: &Error) -> bool {
    match error {
        Error::Encode(_) => true,
        Error::Database(said) => matches!(
            meaning(&said.code().unwrap_or_default()),
            Meaning::Refused | Meaning::Full | Meaning::Timeout | Meaning::Conflict
        ),
        _ => false,
    }
}

/// The error of a store for an error of sqlx.
pub(super) fn store_error(error: Error) -> StoreError {
    let (kind, message) = kind_of(&error);
    let unknown = StoreError::new(kind, message);
    let tells = about_server(unknown, &error);
    let error = of_kind(kind, message, error);
    match (tells.is_outage(), tells.is_answer()) {
        (true, _) => error,
        (_, true) => error.without_outage(),
        _ => error.without_answer(),
    }
}

fn of_kind(kind: StoreErrorKind, message: &'static str, error: Error) -> StoreError {
    match error {
        // A provider of credentials failed.
        Error::Configuration(error) => match error.downcast() {
            Ok(provider_error) => *provider_error,
            // Any other one may quote the URL, and with it the password.
            Err(_) => StoreError::new(kind, message),
        },
        Error::PoolClosed | Error::PoolTimedOut => StoreError::new(kind, message),
        error => StoreError::new(kind, message).with_source(error),
    }
}

fn kind_of(error: &Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Full, Timeout, Unavailable};
    match error {
        Error::PoolTimedOut => (Timeout, EXHAUSTED),
        Error::PoolClosed => (Unavailable, CLOSED),
        Error::Configuration(_) => {
            (Unavailable, "it cannot be reached as configured: check the URL")
        }
        Error::Io(error) if error.kind() == io::ErrorKind::NotConnected => (Timeout, DOWN),
        Error::Io(error) if error.kind() == io::ErrorKind::TimedOut => (Timeout, NO_ANSWER),
        _ if is_in_transaction(error) => (Unavailable, IN_TRANSACTION),
        Error::Database(error) => match meaning(&error.code().unwrap_or_default()) {
            Meaning::Timeout => (Timeout, NO_ANSWER),
            Meaning::LoginRefused => (Unavailable, NO_LOGIN),
            Meaning::SchemaMissing => (Unavailable, SCHEMA_MISSING),
            Meaning::Forbidden => (Unavailable, NOT_ALLOWED),
            Meaning::ReadOnly => (Unavailable, READ_ONLY),
            Meaning::Full => {
                (Full, "the server is out of disk space or memory, or has reached another limit")
            }
            Meaning::Conflict => {
                (Unavailable, "the server aborted the statement because of a conflict")
            }
            Meaning::Lost if matches!(error.code().as_deref(), Some("53300" | "57P03")) => {
                (Unavailable, REFUSED_CONNECTION)
            }
            Meaning::Lost => (Unavailable, LOST),
            Meaning::Refused if error.code().as_deref() == Some("3D000") => {
                (Unavailable, NO_DATABASE)
            }
            Meaning::Aborted | Meaning::Refused => (Unavailable, REFUSED),
        },
        _ => (Unavailable, DOWN),
    }
}

/// The store's error with what this one tells of the server: whether it is there.
fn about_server(store_error: StoreError, error: &Error) -> StoreError {
    match error {
        // It was not asked.
        Error::PoolTimedOut | Error::PoolClosed | Error::Configuration(_) => {
            store_error.without_answer()
        }
        Error::Database(said) => match meaning(&said.code().unwrap_or_default()) {
            Meaning::Lost | Meaning::Timeout => store_error,
            _ => store_error.without_outage(),
        },
        _ => store_error,
    }
}

/// Whether a statement failed because a transaction was open on its connection: a check of the statement said
/// so, or the transaction had failed already. The statement did nothing then.
pub(crate) fn is_in_transaction(error: &Error) -> bool {
    let Error::Database(said) = error else { return false };
    let is_marked = said.code().as_deref() == Some("22P02") && said.message().contains(MARK);
    is_marked || means(error, Meaning::Aborted)
}

/// Whether the server accepts no writes.
pub(crate) fn is_read_only(error: &Error) -> bool {
    means(error, Meaning::ReadOnly)
}

/// Whether a server that answers with this code cannot be asked at all, whoever asks.
#[cfg(feature = "consumer")]
pub(crate) fn is_away(code: &str) -> bool {
    matches!(meaning(code), Meaning::Lost | Meaning::ReadOnly)
}

/// Whether the server refused the login.
pub(super) fn is_login_refused(error: &Error) -> bool {
    means(error, Meaning::LoginRefused)
}

/// Whether the connection can no longer be used.
pub(crate) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => true,
        Error::Database(said) => {
            let code = said.code().unwrap_or_default();
            meaning(&code) == Meaning::Lost || (is_fatal(error) && !is_final(&code))
        }
        _ => false,
    }
}

/// Whether the server ended the connection after this error, whatever its code is.
fn is_fatal(error: &Error) -> bool {
    let said = error.as_database_error().and_then(|it| it.try_downcast_ref::<PgDatabaseError>());
    said.is_some_and(|said| matches!(said.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Whether a login that was refused with this code will be refused again.
fn is_final(code: &str) -> bool {
    // 3D000: there is no such database. 42501: the user may not connect to it. 0A000, 42704 and classes 22 and
    // 28: the server does not know what the URL asks for.
    matches!(code, "3D000" | "42501" | "0A000" | "42704")
        || code.starts_with("28")
        || code.starts_with("22")
}

/// Whether the statement failed because of a conflict: the role or the database may set an isolation
/// level at which any statement can.
pub(super) fn is_conflict(error: &Error) -> bool {
    means(error, Meaning::Conflict)
}

/// The error when the server does not answer in time.
pub(super) fn timed_out() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

/// The error for an answer that the statement cannot have.
pub(super) fn unexpected(what: &'static str) -> Error {
    Error::Decode(what.into())
}

/// Whether this is an error of the server whose code passes a test.
fn has_code(error: &Error, test: impl Fn(&str) -> bool) -> bool {
    match error {
        Error::Database(error) => error.code().as_deref().is_some_and(test),
        _ => false,
    }
}

fn means(error: &Error, expected: Meaning) -> bool {
    has_code(error, |code| meaning(code) == expected)
}
