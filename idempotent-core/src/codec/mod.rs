//! How results become bytes and come back (`messagepack`, `binary`), and how payloads become
//! fingerprints (`digest`).

mod binary;
mod digest;
mod messagepack;

pub use self::binary::{BinaryResult, InvalidBytes};
pub(crate) use self::binary::{decode_binary, encode_binary};
pub(crate) use self::digest::{Digest, digest};
pub(crate) use self::messagepack::{decode, encode};

/// The tag of a payload that is an `Ok`.
pub(crate) const OK: u8 = 0;
/// The tag of a payload that is an `Err`.
pub(crate) const ERR: u8 = 1;
