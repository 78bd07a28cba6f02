//! Encodes, reads back and compares.

use std::borrow::Cow;
use std::fmt::Debug;

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::mismatch::ReplayMismatch;
use super::{difference, location, shown};
use crate::codec::binary::BinaryResult;
use crate::codec::messagepack::{decode, pack};
use crate::codec::serializer::{Purpose, Serializer};

/// How the values of a type are compared with what is read back from their encoding.
pub struct Comparison<V>(Verify<V>);

/// Takes a value and its encoding, if it could be encoded.
type Verify<V> = fn(&V, Option<&[u8]>) -> Result<(), Box<ReplayMismatch>>;

impl<V> Comparison<V> {
    pub(crate) fn verify(
        self,
        value: &V,
        encoded: Option<&[u8]>,
    ) -> Result<(), Box<ReplayMismatch>> {
        (self.0)(value, encoded)
    }
}

impl<V: Serialize + DeserializeOwned> Comparison<V> {
    /// Encodes what was read back, and compares the two encodings.
    pub(crate) fn by_encoding() -> Self {
        Self(|value, encoded| {
            let (encoded, decoded) = read_back(value, encoded)?;
            compare_encodings(&encoded, &encode_again(&decoded)?.bytes)
        })
    }

    /// By `==`.
    pub(crate) fn by_equality() -> Self
    where
        V: PartialEq,
    {
        Self(|value, encoded| by_equality(value, encoded, |_| None))
    }

    /// By `==`, and names fields by what `Debug` shows.
    pub(crate) fn by_equality_and_debug() -> Self
    where
        V: PartialEq + Debug,
    {
        Self(|value, encoded| {
            by_equality(value, encoded, |decoded| {
                shown::first_difference(&format!("{value:#?}"), &format!("{decoded:#?}"))
            })
        })
    }
}

impl<V: BinaryResult> Comparison<V> {
    /// Only decodes: the same message may have many encodings.
    pub(crate) fn by_decoding() -> Self {
        Self(|value, encoded| {
            let encoded = match encoded {
                Some(encoded) => Cow::Borrowed(encoded),
                None => {
                    let mut bytes = Vec::new();
                    value.encode(&mut bytes);
                    Cow::Owned(bytes)
                }
            };
            V::decode(&encoded).map(drop).map_err(|_| Box::new(ReplayMismatch::invalid_bytes()))
        })
    }
}

impl<V> Clone for Comparison<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Comparison<V> {}

impl<V> Debug for Comparison<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Comparison").finish_non_exhaustive()
    }
}

fn by_equality<V: Serialize + DeserializeOwned + PartialEq>(
    value: &V,
    encoded: Option<&[u8]>,
    hidden_field: impl FnOnce(&V) -> Option<String>,
) -> Result<(), Box<ReplayMismatch>> {
    let (encoded, decoded) = read_back(value, encoded)?;
    if *value == decoded {
        return Ok(());
    }
    let again = encode_again(&decoded)?.bytes;
    compare_encodings(&encoded, &again)?;
    // A value that is not equal to itself, such as one with a `NaN`, says nothing. Neither does one
    // with a number of serde_json that compares by its digits, and not by what they mean.
    if !is_equal_to_itself(value) || encode_again(value)?.rewrote_number {
        return Ok(());
    }
    Err(Box::new(ReplayMismatch::indistinct(hidden_field(&decoded))))
}

fn is_equal_to_itself<V: PartialEq>(value: &V) -> bool {
    let itself = value;
    value == itself
}

fn compare_encodings(before: &[u8], after: &[u8]) -> Result<(), Box<ReplayMismatch>> {
    match difference::first_difference(before, after) {
        None => Ok(()),
        Some(path) => Err(Box::new(ReplayMismatch::different(path.to_string()))),
    }
}

/// The value as it is read back, and the encoding from which it is.
fn read_back<'e, V: Serialize + DeserializeOwned>(
    value: &V,
    encoded: Option<&'e [u8]>,
) -> Result<(Cow<'e, [u8]>, V), Box<ReplayMismatch>> {
    let encoded = match encoded {
        Some(encoded) => Cow::Borrowed(encoded),
        None => {
            let mut bytes = Vec::new();
            pack(value, Purpose::Result, &mut bytes)
                .map_err(|error| not_encoded(&bytes, &error))?;
            Cow::Owned(bytes)
        }
    };
    match decode(&encoded) {
        Ok(decoded) => Ok((encoded, decoded)),
        Err(error) => Err(not_decoded(&encoded, &error, |bytes| decode::<V>(bytes).err())),
    }
}

struct Encoding {
    bytes: Vec<u8>,
    rewrote_number: bool,
}

fn encode_again<V: Serialize>(value: &V) -> Result<Encoding, Box<ReplayMismatch>> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::new(&mut bytes, Purpose::Result);
    let written = value.serialize(&mut serializer);
    let rewrote_number = serializer.rewrote_number();
    match written {
        Ok(()) => Ok(Encoding { bytes, rewrote_number }),
        Err(error) => Err(not_encoded(&bytes, &error)),
    }
}

fn not_encoded(written: &[u8], error: &EncodeError) -> Box<ReplayMismatch> {
    let field = location::of_encoder(written).to_string();
    Box::new(ReplayMismatch::not_encoded(field, error))
}

fn not_decoded(
    encoded: &[u8],
    error: &DecodeError,
    decode: impl Fn(&[u8]) -> Option<DecodeError>,
) -> Box<ReplayMismatch> {
    // The decoder does not say how far it got. What it had not read by then makes no difference, and
    // with less it would have missed something.
    let is_too_short = |length: usize| {
        let error = decode(&encoded[..length]);
        matches!(error, Some(DecodeError::InvalidMarkerRead(_) | DecodeError::InvalidDataRead(_)))
    };
    let (mut short, mut read) = (0, encoded.len());
    while short < read {
        let middle = short + (read - short) / 2;
        if is_too_short(middle) {
            short = middle + 1;
        } else {
            read = middle;
        }
    }
    let field = location::of_decoder(&encoded[..read]).to_string();
    Box::new(ReplayMismatch::not_decoded(field, error))
}
