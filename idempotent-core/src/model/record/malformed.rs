//! [`MalformedRecord`]: the error for bytes that are no record.

use std::error::Error as StdError;
use std::fmt;

use super::lapse_code::WAITS_FOR_STEPS;
use super::layout::{FLAGS, HEADER, LAYOUT, NAME_LENGTH, flag, name_at};
use super::outcome::{KEPT, not_kept};
use super::owner::owner_state;

/// Layouts, and codes within one, are small numbers: a larger one is more likely a letter of something else.
const SMALL: std::ops::Range<u8> = 0..32;

/// The error for bytes that are not a [`Record`](super::Record) which this version can read.
///
/// ```
/// use idempotent_core::model::{Envelope, MalformedRecord, Record, Token};
///
/// let record = Record::reserved(&Envelope::new("shop::charge"), Token::random());
/// let mut bytes = record.as_bytes().to_vec();
/// assert_eq!(Record::from_bytes(&bytes[..20]), Err(MalformedRecord::Broken));
/// bytes[0] += 1; // the next layout
/// assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Newer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MalformedRecord {
    /// They were cut short or changed, or were never a record.
    Broken,
    /// They look like a record of a newer version: with a layout, a field or a code that this one does not know. Do not
    /// remove it: what wrote it can read it.
    Newer,
}

impl MalformedRecord {
    /// What is wrong with bytes that are not a record.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if bytes.len() < HEADER || !SMALL.contains(&bytes[0]) || bytes[0] < LAYOUT {
            return Self::Broken;
        }
        if bytes[0] > LAYOUT {
            return Self::Newer;
        }
        let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let (flags, length) = (number(FLAGS), usize::from(number(NAME_LENGTH)));
        let name = bytes.get(name_at(flags)..name_at(flags) + length);
        let has_name =
            name.is_some_and(|name| !name.is_empty() && std::str::from_utf8(name).is_ok());
        let codes = &bytes[1..4];
        let is_known = flags & !flag::KNOWN == 0 && has_known_codes(bytes);
        if has_name && !is_known && codes.iter().all(|code| SMALL.contains(code)) {
            Self::Newer
        } else {
            Self::Broken
        }
    }

    /// The one among the causes of an error, if it has one.
    pub(crate) fn among_causes(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(malformed) = error.downcast_ref() {
                return Some(*malformed);
            }
            cause = error.source();
        }
        None
    }
}

/// Whether the outcome, the guarantee and the owner of a header are ones that this version knows.
pub(super) fn has_known_codes(header: &[u8]) -> bool {
    (header[1] <= KEPT || not_kept(header[1]).is_some())
        && header[2] <= WAITS_FOR_STEPS
        && owner_state(header[3]).is_some()
}

impl fmt::Display for MalformedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broken => "its bytes were cut short or changed",
            Self::Newer => "a newer version wrote it",
        })
    }
}

impl StdError for MalformedRecord {}
