//! The layout of an entry's bytes: a fixed header, the step's name and key, and its result.
//!
//! ```text
//!  0  layout        u8    1 for this layout
//!  1  status        u8    0 begun, 128 tried, 1 recorded, 2.. not kept, and why
//!  2  flags         u8    which fields follow
//!  3  attempt       16 bytes, no two the same: which attempt of the step wrote it; random where it is at most once
//! 19  part of       32 bytes: the id of the call or the step around it
//! 51  written       u48   milliseconds since 1970: the wall time when the run opened the journal, and monotonic time since
//!                         then; of a step that is at most once, the wall time. For people only
//! 57  took          u32   milliseconds
//! 61  version       u32
//! 65  name          u16   length of the step's name in bytes
//! 67  key           u16   length of the key's text in bytes
//! 69  fingerprint   32 bytes, if flagged
//!     name
//!     key
//!     types         u16 length in bytes and text, if it was resolved: what the step returns
//!     result        of a step that is begun, or whose result was not kept: the text of the types, without a length
//!     MAC           32 bytes, if flagged: always the last
//! ```
//!
//! Integers are little-endian. A reader refuses a layout, a status and a flag that it does not know.

pub(super) const LAYOUT: u8 = 1;

pub(super) const HEADER: usize = 69;

pub(super) const FINGERPRINT_BYTES: usize = 32;

pub(super) const MAC_BYTES: usize = 32;

pub(super) const FLAGS: usize = 2;

pub(super) const NAME_LENGTH: usize = 65;

pub(super) const KEY_LENGTH: usize = 67;

pub(super) const TYPES_LENGTH: usize = 2;

pub(super) mod flag {
    pub(in super::super) const FINGERPRINT: u8 = 1;
    pub(in super::super) const MAC: u8 = 1 << 1;
    /// What it says is an operator's word, not its owner's.
    pub(in super::super) const RESOLVED: u8 = 1 << 2;
    /// The step has run, whatever an operator says of it: its result was not kept.
    pub(in super::super) const HAS_RUN: u8 = 1 << 3;
    pub(in super::super) const KNOWN: u8 = FINGERPRINT | MAC | RESOLVED | HAS_RUN;
}
