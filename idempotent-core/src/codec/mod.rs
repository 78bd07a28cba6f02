//! How results become bytes and come back, and how payloads become fingerprints.
//!
//! Results are MessagePack with named fields, in serde's human-readable form on both sides. That
//! carries flattened, untagged and tagged enums, maps with keys of any type, `NaN` and infinities,
//! bytes, `IpAddr`, and the types of `chrono` and `uuid`. What it does not carry:
//!
//! * `u128` and `i128` inside internally tagged or untagged enums and flattened fields: encoding or
//!   decoding fails, as serde itself cannot buffer them;
//! * `Some(())` and `Some(None)`, which come back as `None`: one level of "nothing" is all that
//!   MessagePack has.

mod fingerprint;

use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::fingerprint::{Digest, digest};
use crate::operation::{Encoded, Undecodable};
use crate::record::RecordBytes;

/// Says that a payload is an `Ok`.
pub(crate) const OK: u8 = 0;
/// Says that a payload is an `Err`.
pub(crate) const ERR: u8 = 1;

/// Writes `value` behind a tag that says which side of a `Result` it is.
pub(crate) fn encode<T: Serialize>(
    tag: u8,
    value: &T,
    out: &mut RecordBytes,
) -> Result<(), EncodeError> {
    out.push(tag);
    pack(value, out)
}

/// Like [`encode`], of a value that writes its own bytes.
pub(crate) fn encode_own<T: Encoded>(
    tag: u8,
    value: &T,
    out: &mut RecordBytes,
) -> Result<(), EncodeError> {
    out.push(tag);
    value.encode(out);
    Ok(())
}

/// The value that [`encode_own`] wrote, without its tag, as a replay gives it.
pub(crate) fn decode_own<T: Encoded>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    T::decode(bytes).map(T::replayed).map_err(|Undecodable| {
        rmp_serde::decode::Error::Syntax("it is not written as this type writes itself".into())
    })
}

/// The value that [`encode`] wrote, without its tag.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    T::deserialize(&mut decoder)
}

fn pack<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    value.serialize(&mut rmp_serde::Serializer::new(out).with_struct_map().with_human_readable())
}
