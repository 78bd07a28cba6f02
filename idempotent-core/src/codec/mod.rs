//! How results become bytes and come back (`messagepack`, `binary`), whether they come back as they
//! were (`replay`), and how payloads become fingerprints (`digest`).
//!
//! Beneath them, a `serializer` writes MessagePack and a `reader` walks through it; `number` reads the
//! numbers of JSON.

mod binary;
mod digest;
mod messagepack;
mod number;
mod reader;
mod replay;
mod serializer;

pub use self::binary::{BinaryResult, InvalidBytes};
pub(crate) use self::binary::{decode_binary, encode_binary};
pub(crate) use self::digest::{Digest, digest};
pub(crate) use self::messagepack::{decode, decode_all, encode};
pub use self::replay::{Comparison, ReplayMismatch};

/// The tag of a payload that is an `Ok`.
pub(crate) const OK: u8 = 0;
/// The tag of a payload that is an `Err`.
pub(crate) const ERR: u8 = 1;
