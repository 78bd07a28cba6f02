//! Serde results as bytes.
//!
//! Results are MessagePack with named fields, in serde's human-readable form on both sides. This
//! supports flattened, untagged and tagged enums, maps with keys of any type, `NaN` and infinities,
//! bytes, `IpAddr`, and the types of `chrono` and `uuid`. It does not support:
//!
//! * `u128` and `i128` inside internally tagged or untagged enums and flattened fields: encoding or
//!   decoding fails, because serde itself cannot buffer them;
//! * `Some(())` and `Some(None)`, which come back as `None`: MessagePack has only one level of
//!   "nothing".

use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::RecordBytes;

/// Writes a tag, which says whether this is the `Ok` or the `Err`, and then `value`.
pub(crate) fn encode<T: Serialize>(
    tag: u8,
    value: &T,
    out: &mut RecordBytes,
) -> Result<(), EncodeError> {
    out.push(tag);
    pack(value, out)
}

/// Reads a value that [`encode`] wrote, without its tag.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    T::deserialize(&mut decoder)
}

pub(super) fn pack<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map().with_human_readable())
}
