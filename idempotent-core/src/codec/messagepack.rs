//! Serde results as bytes.
//!
//! Results are MessagePack with named fields, in serde's human-readable form on both sides. This
//! supports flattened, untagged and tagged enums, maps with keys of any type, `NaN` and infinities,
//! bytes, `IpAddr`, and the types of `chrono` and `uuid`. The guide's page on results lists what is
//! not supported; `replay` finds it.

use std::io::Cursor;

use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::serializer::{Purpose, RESULT_DEPTH, Serializer};
use crate::model::RecordBytes;

/// Writes a tag, which says whether this is the `Ok` or the `Err`, and then `value`.
pub(crate) fn encode<T: Serialize>(
    tag: u8,
    value: &T,
    out: &mut RecordBytes,
) -> Result<(), EncodeError> {
    out.push(tag);
    pack(value, Purpose::Result, out)
}

/// Reads a value that [`encode`] wrote, without its tag.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    // It refuses the level at which its counter is zero.
    decoder.set_max_depth(usize::from(RESULT_DEPTH) + 1);
    T::deserialize(&mut decoder)
}

/// The same, and nothing may follow the value: for bytes that may be something else.
pub(crate) fn decode_all<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::new(Cursor::new(bytes)).with_human_readable();
    decoder.set_max_depth(usize::from(RESULT_DEPTH) + 1);
    let value = T::deserialize(&mut decoder)?;
    if decoder.get_ref().position() == bytes.len() as u64 {
        Ok(value)
    } else {
        Err(rmp_serde::decode::Error::Syntax("bytes follow the value".into()))
    }
}

/// Appends a value, without a tag.
pub(super) fn pack<T: Serialize + ?Sized>(
    value: &T,
    purpose: Purpose,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    value.serialize(&mut Serializer::new(out, purpose))
}
