//! Errors of sqlx and of `SQLite`, as errors of a store.

use std::io;

use sqlx::Error;
use sqlx::error::{DatabaseError, ErrorKind};

use crate::store::{StoreError, StoreErrorKind};

// Primary result codes: the low byte of a result code.
const ERROR: u32 = 1;
const PERM: u32 = 3;
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const TOOBIG: u32 = 18;
const AUTH: u32 = 23;
const NOTADB: u32 = 26;

/// The error of a store for an error of sqlx.
pub(super) fn store_error(error: Error) -> StoreError {
    let (kind, message) = kind_of(&error);
    let is_refusal = match &error {
        Error::Database(said) => {
            !matches!(primary(&**said), Some(BUSY | LOCKED | IOERR | CANTOPEN))
        }
        _ => false,
    };
    let is_unasked =
        matches!(&error, Error::PoolTimedOut | Error::PoolClosed | Error::Configuration(_));
    let error = StoreError::new(kind, message).with_source(error);
    match (is_refusal, is_unasked) {
        (true, _) => error.without_outage(),
        (_, true) => error.without_answer(),
        _ => error,
    }
}

fn kind_of(error: &Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Malformed, Timeout, Unavailable};
    match error {
        Error::Database(said) => kind_of_code(&**said),
        Error::PoolTimedOut => (Timeout, "every connection was in use for too long"),
        Error::PoolClosed => (Unavailable, "the pool of connections is closed"),
        Error::Io(fault) if fault.kind() == io::ErrorKind::TimedOut => {
            (Timeout, "sqlite did not answer in time")
        }
        Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnDecode { .. }
        | Error::Decode(_) => (Malformed, "the table contains something that is not a record"),
        Error::Configuration(_) => (Unavailable, "the file cannot be opened as configured"),
        _ => (Unavailable, "the file cannot be used"),
    }
}

fn kind_of_code(said: &dyn DatabaseError) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Full, Malformed, Timeout, Unavailable};
    match primary(said) {
        Some(BUSY | LOCKED) => (Timeout, "another connection kept the file locked for too long"),
        Some(FULL) => (Full, "the disk is full, or the file has reached its maximum size"),
        Some(TOOBIG) => (Full, "the record is larger than sqlite allows"),
        Some(READONLY) => (Unavailable, "the file can only be read"),
        Some(CORRUPT) => (Malformed, "the file is damaged"),
        Some(NOTADB) => (Malformed, "the file is not a sqlite database"),
        Some(CANTOPEN) => (
            Unavailable,
            "the file cannot be opened: check that it or its folder exists and may be written to",
        ),
        Some(IOERR) => (Unavailable, "reading or writing the file failed"),
        Some(PERM | AUTH) => (Unavailable, "sqlite does not permit the statement"),
        Some(NOMEM) => (Unavailable, "sqlite is out of memory"),
        Some(ERROR) => (
            Unavailable,
            "the tables of the store are missing, or are not the store's: call `migrate()`",
        ),
        _ => (Unavailable, "sqlite refused the statement"),
    }
}

/// Whether another connection has locked the file.
pub(super) fn is_busy(error: &Error) -> bool {
    match error {
        Error::Database(said) => matches!(primary(&**said), Some(BUSY | LOCKED)),
        _ => false,
    }
}

/// The error without a tokio runtime, which queries and their deadlines need.
pub(super) fn no_runtime() -> StoreError {
    let message = "the sqlite store must be used inside a tokio runtime, and there is none";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

/// The error when `SQLite` does not answer in time.
pub(super) fn timed_out() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

/// Whether the connection may be at fault, so that a new one may do better: the file could only be read when
/// it was opened, has been replaced since, or could not be read or written.
pub(super) fn is_of_connection(error: &Error) -> bool {
    match error {
        Error::Database(said) => matches!(primary(&**said), Some(READONLY | IOERR)),
        Error::WorkerCrashed => true,
        _ => false,
    }
}

/// Whether the file was moved or deleted, and perhaps replaced, after it was opened.
pub(super) fn is_moved_file(error: &Error) -> bool {
    const READONLY_DBMOVED: &str = "1032";
    match error {
        Error::Database(said) => said.code().as_deref() == Some(READONLY_DBMOVED),
        _ => false,
    }
}

/// Whether a row refers to one that does not exist.
pub(super) fn is_foreign_key(said: &dyn DatabaseError) -> bool {
    said.kind() == ErrorKind::ForeignKeyViolation
}

/// Whether a transaction could not begin because its connection is within one. `SQLite` has no code for that.
pub(super) fn is_nested_begin(error: &Error) -> bool {
    match error {
        Error::Database(said) => {
            is_plain(&**said) && said.message().contains("within a transaction")
        }
        _ => false,
    }
}

/// Whether it is an error of the statement without a code of its own.
pub(super) fn is_plain(said: &(dyn DatabaseError + 'static)) -> bool {
    primary(said) == Some(ERROR)
}

fn primary(said: &dyn DatabaseError) -> Option<u32> {
    let code: u32 = said.code()?.parse().ok()?;
    Some(code & 0xff)
}
