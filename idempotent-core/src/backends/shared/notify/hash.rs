//! The hash of a record's id, by which waiters and observers know it.

/// The hash of a record's id.
pub(in crate::backends) type Hash = [u8; 32];
