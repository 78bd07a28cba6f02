//! The digest of a payload: a hash of its MessagePack in canonical form, with every map sorted.
//!
//! Equal integers of up to 64 bits have the same digest in every width, and equal structs in every
//! order of their fields. `1`, `1.0` and `"1"` have different digests. Serde treats a set as a
//! sequence, so only sets that iterate in a fixed order, such as `BTreeSet`, have one digest.

use serde::Serialize;

use super::messagepack::pack;
use super::reader::{Item, Reader};
use super::serializer::Purpose;

/// A BLAKE3 hash of a payload's canonical bytes, before an engine's secret is applied.
pub(crate) type Digest = [u8; 32];

/// Digests `value`.
pub(crate) fn digest<T: Serialize + ?Sized>(value: &T) -> Result<Digest, rmp_serde::encode::Error> {
    let mut packed = Vec::with_capacity(256);
    pack(value, Purpose::Fingerprint, &mut packed)?;
    let mut canonical = Vec::with_capacity(packed.len());
    canonicalize(&mut Reader(&packed), Sequences::InOrder, &mut canonical)
        .ok_or_else(|| rmp_serde::encode::Error::Syntax("the payload is not MessagePack".into()))?;
    Ok(blake3::hash(&canonical).into())
}

/// Whether the order of a sequence counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequences {
    InOrder,
    /// As in a set, which serde does not tell apart from a list.
    InAnyOrder,
}

/// Appends one value in its canonical form: its kind, its length and its bytes.
pub(super) fn canonicalize(
    input: &mut Reader<'_>,
    sequences: Sequences,
    out: &mut Vec<u8>,
) -> Option<()> {
    match input.next()? {
        Item::Array(length) if sequences == Sequences::InOrder => {
            head(b'a', length, out);
            (0..length).try_for_each(|_| canonicalize(input, sequences, out))?;
        }
        Item::Array(length) => sorted(input, sequences, (b'a', length, 1), out)?,
        Item::Map(length) => sorted(input, sequences, (b'm', length, 2), out)?,
        Item::Text(bytes) => blob(b's', bytes, out),
        Item::Binary(bytes) => blob(b'b', bytes, out),
        Item::Extension(bytes) => blob(b'x', bytes, out),
        Item::Float(value) => float(value, out),
        Item::Scalar(byte, rest) => {
            out.extend_from_slice(&[b'v', byte]);
            out.extend_from_slice(rest);
        }
    }
    Some(())
}

/// Appends entries of so many values each, sorted.
fn sorted(
    input: &mut Reader<'_>,
    sequences: Sequences,
    (kind, length, values): (u8, usize, usize),
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut entries = Vec::new();
    for _ in 0..length {
        let mut entry = Vec::new();
        (0..values).try_for_each(|_| canonicalize(input, sequences, &mut entry))?;
        entries.push(entry);
    }
    entries.sort_unstable();
    head(kind, length, out);
    entries.iter().for_each(|entry| out.extend_from_slice(entry));
    Some(())
}

fn blob(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    head(kind, bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn head(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

/// Appends a float: equal floats have equal bytes, so there is one zero and one `NaN`.
fn float(value: f64, out: &mut Vec<u8>) {
    let value = if value == 0.0 {
        0.0
    } else if value.is_nan() {
        f64::NAN
    } else {
        value
    };
    out.push(b'f');
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    fn same<A: Serialize, B: Serialize>(a: &A, b: &B) -> bool {
        digest(a).unwrap() == digest(b).unwrap()
    }

    #[test]
    fn the_order_of_a_map_does_not_matter() {
        let pairs: Vec<(String, u32)> = (0..100).map(|i| (format!("key {i}"), i)).collect();
        let forward: HashMap<_, _> = pairs.iter().cloned().collect();
        let backward: HashMap<_, _> = pairs.iter().rev().cloned().collect();
        let sorted: BTreeMap<_, _> = pairs.into_iter().collect();
        assert!(same(&forward, &backward));
        assert!(same(&forward, &sorted));
        assert!(same(&[&forward], &[&sorted]));
    }

    #[test]
    fn a_number_is_not_its_text() {
        assert!(!same(&1, &"1"));
        assert!(!same(&1, &1.0));
        assert!(!same(&"ab", &b"ab"));
    }

    #[test]
    fn a_number_is_itself_in_every_width() {
        assert!(same(&1_u8, &1_i64));
        assert!(same(&300_u16, &300_i64));
        assert!(same(&0.0, &-0.0));
        assert!(same(&f64::NAN, &-f64::NAN));
    }

    #[test]
    fn structure_is_part_of_the_value() {
        assert!(!same(&(("a", "b"), "c"), &("a", ("b", "c"))));
        assert!(!same(&["ab", "c"], &["a", "bc"]));
        assert!(!same(&Vec::<u8>::new(), &()));
        assert!(!same(&"x".repeat(40_000), &"x".repeat(40_001)));
    }
}
