//! [`MalformedRecord`]: the error for bytes that are no record.

use std::fmt;

/// The error for bytes that are not a [`Record`](super::Record): they were cut short or changed, or have an
/// unknown layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRecord;

impl fmt::Display for MalformedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored bytes are not a record that this version can read")
    }
}

impl std::error::Error for MalformedRecord {}
