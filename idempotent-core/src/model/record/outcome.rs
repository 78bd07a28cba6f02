//! [`Outcome`]: how far a record's call has come. [`NotKept`]: why its result is missing.

use std::fmt;

/// How far a record's call has come.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// The call is running, or its end is unknown.
    Reserved,
    /// The call completed, and this is its encoded result.
    Kept(&'a [u8]),
    /// The call completed, but its result was not kept: the record is a *tombstone*.
    NotKept(NotKept),
}

/// Why a result was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotKept {
    /// The result was larger than the engine's limit.
    TooLarge,
    /// The store dropped the result early to stay within its capacity.
    Evicted,
    /// The result could not be encoded, or would have been read back as another one.
    NotEncodable,
    /// The result was an error that the disposition keeps, but that the call does not memoize.
    NotMemoized,
    /// The caller completed the call without its result on purpose, for example because it was a
    /// stream.
    Withheld,
}

pub(super) const RESERVED: u8 = 0;

pub(in crate::model) const KEPT: u8 = 1;

pub(in crate::model) const fn not_kept_code(why: NotKept) -> u8 {
    match why {
        NotKept::TooLarge => 2,
        NotKept::Evicted => 3,
        NotKept::NotEncodable => 4,
        NotKept::NotMemoized => 5,
        NotKept::Withheld => 6,
    }
}

pub(in crate::model) const fn not_kept(code: u8) -> Option<NotKept> {
    match code {
        2 => Some(NotKept::TooLarge),
        3 => Some(NotKept::Evicted),
        4 => Some(NotKept::NotEncodable),
        5 => Some(NotKept::NotMemoized),
        6 => Some(NotKept::Withheld),
        _ => None,
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("Reserved"),
            Self::Kept(payload) => write!(f, "Kept({} bytes)", payload.len()),
            Self::NotKept(why) => write!(f, "NotKept({why:?})"),
        }
    }
}

impl NotKept {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "it was larger than the limit",
            Self::Evicted => "the store evicted it to stay within its capacity",
            Self::NotEncodable => "it could not be encoded so that a replay returns it",
            Self::NotMemoized => "it was an error, and the operation does not memoize errors",
            Self::Withheld => "the caller chose not to store it",
        }
    }
}
