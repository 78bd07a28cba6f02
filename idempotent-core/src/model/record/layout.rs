//! The layout of a record's bytes: a fixed header, the operation's name, flagged fields, and the
//! result.
//!
//! ```text
//!  0  layout        u8    2 for this layout
//!  1  outcome       u8    0 not completed, 1 kept, 2.. not kept, and why
//!  2  guarantee     u8    0 at least once, 1 at most once, 2 exactly once, 3 at least once with a journal or an input,
//!                         4 the same with a journal in which a step is in doubt
//!  3  owner         u8    0 running, 1 gone, holds its lease, 2 ended without a known outcome
//!  4  token         16 bytes
//! 20  created       u48   milliseconds since 1970, by the writer's clock; for people only
//! 26  lease         u32   milliseconds
//! 30  retention     u32   seconds for which an indeterminate record is kept
//! 34  version       u32
//! 38  flags         u16   which fields follow
//! 40  name          u16   length of the operation's name in bytes
//! 42  fingerprint   32 bytes, if flagged
//!     name
//!     the other fields, in the order of their flags
//!     result; of a reservation, its input if flagged
//!     MAC           32 bytes, if flagged: always the last
//! ```
//!
//! Integers are little-endian, and a text field is its length as u16 and UTF-8. A new field is a
//! new flag, not a new layout: a reader refuses a record with a flag that it does not know. While its
//! owner runs, a reservation's bytes never change: renewing moves only the store's own deadline, so
//! a store may compare whole values instead of tokens.

pub(super) const LAYOUT: u8 = 2;

pub(super) const HEADER: usize = 42;

pub(super) const FINGERPRINT_BYTES: usize = 32;

/// Where the flags stand.
pub(super) const FLAGS: usize = 38;

/// Where the length of the operation's name stands.
pub(super) const NAME_LENGTH: usize = 40;

/// Where the retention stands.
pub(super) const RETENTION: usize = 30;

pub(super) const MAC_BYTES: usize = 32;

pub(super) const JOURNAL_BYTES: usize = 16;

pub(super) const RUNS_BYTES: usize = 8;

/// Which fields a record has.
pub(super) mod flag {
    pub(in super::super) const FINGERPRINT: u16 = 1;
    /// An earlier run of the call was interrupted: how often it was resumed in vain, u32, and how many steps were
    /// recorded then, u32.
    pub(in super::super) const RUNS: u16 = 1 << 1;
    /// The call has a journal of steps: its name, 16 bytes.
    pub(in super::super) const JOURNAL: u16 = 1 << 2;
    /// Texts, from here on.
    pub(in super::super) const KEY: u16 = 1 << 3;
    pub(in super::super) const SCOPE: u16 = 1 << 4;
    pub(in super::super) const RESULT_TYPE: u16 = 1 << 5;
    pub(in super::super) const TRACE_PARENT: u16 = 1 << 6;
    pub(in super::super) const LAST_ERROR: u16 = 1 << 7;
    pub(in super::super) const ENCRYPTION_KEY: u16 = 1 << 8;
    /// A MAC over everything, behind the result.
    pub(in super::super) const MAC: u16 = 1 << 9;
    /// The result is what somebody said who resolved the call. No bytes.
    pub(in super::super) const RESOLVED: u16 = 1 << 10;
    /// The call has an input, which stands where a result would.
    pub(in super::super) const INPUT: u16 = 1 << 11;

    /// The texts, in the order in which they are stored.
    pub(in super::super) const TEXTS: [u16; 6] =
        [KEY, SCOPE, RESULT_TYPE, TRACE_PARENT, LAST_ERROR, ENCRYPTION_KEY];
    pub(in super::super) const ALL_TEXTS: u16 =
        KEY | SCOPE | RESULT_TYPE | TRACE_PARENT | LAST_ERROR | ENCRYPTION_KEY;
    /// Those that this version can read. Encryption is defined, and not read yet: to ignore it would
    /// take a cipher for a result.
    pub(in super::super) const KNOWN: u16 = FINGERPRINT
        | RUNS
        | JOURNAL
        | KEY
        | SCOPE
        | RESULT_TYPE
        | TRACE_PARENT
        | LAST_ERROR
        | MAC
        | RESOLVED
        | INPUT;
}

/// Where the operation's name begins.
pub(super) const fn name_at(flags: u16) -> usize {
    HEADER + if flags & flag::FINGERPRINT != 0 { FINGERPRINT_BYTES } else { 0 }
}

/// Where the texts of a record with these flags begin, after the name.
pub(super) const fn texts_at(flags: u16, name: usize) -> usize {
    let journal = if flags & flag::JOURNAL != 0 { JOURNAL_BYTES } else { 0 };
    journal_at(flags, name_at(flags) + name) + journal
}

/// Where the name of a journal is, or would be, if the operation's name ends at `name_end`.
pub(super) const fn journal_at(flags: u16, name_end: usize) -> usize {
    name_end + if flags & flag::RUNS != 0 { RUNS_BYTES } else { 0 }
}

/// Splits a text field off the front; `None` if the bytes are cut short or not a text.
pub(super) fn split_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::from(u16::from_le_bytes(*length));
    let text = rest.get(..length)?;
    Some((std::str::from_utf8(text).ok()?, &rest[length..]))
}
