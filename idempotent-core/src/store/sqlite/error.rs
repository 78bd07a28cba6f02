//! What sqlx and `SQLite` say, in the words of [`StoreError`].

use std::io;

use sqlx::Error;
use sqlx::error::{DatabaseError, ErrorKind};

use crate::store::{StoreError, StoreErrorKind};

// Primary result codes: the low byte of what `SQLite` answers.
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

/// The error of a store for an error of a call.
pub(super) fn store_error(error: Error) -> StoreError {
    let (kind, message) = kind_of(&error);
    StoreError::new(kind, message).with_source(error)
}

fn kind_of(error: &Error) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Malformed, Timeout, Unavailable};
    match error {
        Error::Database(said) => kind_of_code(&**said),
        Error::PoolTimedOut => (Timeout, "no connection of the pool was free in time"),
        Error::PoolClosed => (Unavailable, "the pool of connections is closed"),
        Error::Io(fault) if fault.kind() == io::ErrorKind::TimedOut => {
            (Timeout, "sqlite did not answer in time")
        }
        Error::ColumnNotFound(_)
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnDecode { .. }
        | Error::Decode(_) => (Malformed, "sqlite holds something that is no record"),
        Error::Configuration(_) => (Unavailable, "the file cannot be opened as configured"),
        _ => (Unavailable, "sqlite is unavailable"),
    }
}

fn kind_of_code(said: &dyn DatabaseError) -> (StoreErrorKind, &'static str) {
    use StoreErrorKind::{Full, Malformed, Timeout, Unavailable};
    match primary(said) {
        Some(BUSY | LOCKED) => (Timeout, "another connection kept the file locked for too long"),
        Some(FULL) => (Full, "the disk is full, or the file is as large as it may be"),
        Some(TOOBIG) => (Full, "the record is larger than sqlite takes"),
        Some(READONLY) => (Unavailable, "the file can only be read"),
        Some(CORRUPT) => (Malformed, "the file is damaged"),
        Some(NOTADB) => (Malformed, "the file is no sqlite database"),
        Some(CANTOPEN) => (Unavailable, "the file cannot be opened"),
        Some(IOERR) => (Unavailable, "the disk failed"),
        Some(PERM | AUTH) => (Unavailable, "sqlite does not permit it"),
        Some(NOMEM) => (Unavailable, "sqlite is out of memory"),
        Some(ERROR) => (Unavailable, "the tables of the store are missing, or not the store's"),
        _ => (Unavailable, "sqlite is unavailable"),
    }
}

/// Whether another connection was in the way.
pub(super) fn is_busy(error: &Error) -> bool {
    match error {
        Error::Database(said) => matches!(primary(&**said), Some(BUSY | LOCKED)),
        _ => false,
    }
}

/// Nobody can be asked without a runtime, in which questions have their deadlines.
pub(super) fn no_runtime() -> StoreError {
    let message = "sqlite is asked inside a tokio runtime, and there is none";
    StoreError::new(StoreErrorKind::Unavailable, message)
}

/// `SQLite` did not answer in time.
pub(super) fn timed_out() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}

/// Whether another connection writes, or wrote after this one read: then it helps to run a whole
/// transaction again.
pub(in crate::store) fn is_conflicting(said: &dyn DatabaseError) -> bool {
    primary(said) == Some(BUSY)
}

/// Whether a row points at one that is not there.
pub(super) fn is_foreign_key(said: &dyn DatabaseError) -> bool {
    said.kind() == ErrorKind::ForeignKeyViolation
}

/// An error of the statement, without a code of its own.
pub(super) fn is_plain(said: &(dyn DatabaseError + 'static)) -> bool {
    primary(said) == Some(ERROR)
}

fn primary(said: &dyn DatabaseError) -> Option<u32> {
    let code: u32 = said.code()?.parse().ok()?;
    Some(code & 0xff)
}
