//! The digest of a payload: a hash of its MessagePack in canonical form, with every map sorted.
//!
//! Equal integers of up to 64 bits have the same digest in every width, and equal structs in every
//! order of their fields. `1`, `1.0` and `"1"` have different digests. Serde treats a set as a
//! sequence, so only sets that iterate in a fixed order, such as `BTreeSet`, have one digest.

use rmp::Marker;
use serde::Serialize;

use super::messagepack::pack;

/// A BLAKE3 hash of a payload's canonical bytes, before an engine's secret is applied.
pub(crate) type Digest = [u8; 32];

/// Digests `value`.
pub(crate) fn digest<T: Serialize + ?Sized>(value: &T) -> Result<Digest, rmp_serde::encode::Error> {
    let mut packed = Vec::with_capacity(256);
    pack(value, &mut packed)?;
    let mut canonical = Vec::with_capacity(packed.len());
    let mut input = Input(&packed);
    input
        .canonicalize(&mut canonical)
        .ok_or_else(|| rmp_serde::encode::Error::Syntax("the payload is not MessagePack".into()))?;
    Ok(blake3::hash(&canonical).into())
}

/// MessagePack that has not been read yet.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// Reads a length of one, two or four bytes.
    fn length(&mut self, bytes: usize) -> Option<usize> {
        let digits = self.take(bytes)?;
        Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
    }

    /// Appends one value in its canonical form: its kind, its length and its bytes.
    fn canonicalize(&mut self, out: &mut Vec<u8>) -> Option<()> {
        let [byte] = self.array()?;
        match Marker::from_u8(byte) {
            Marker::FixArray(length) => self.sequence(usize::from(length), out),
            Marker::Array16 => self.length(2).and_then(|length| self.sequence(length, out)),
            Marker::Array32 => self.length(4).and_then(|length| self.sequence(length, out)),
            Marker::FixMap(length) => self.map(usize::from(length), out),
            Marker::Map16 => self.length(2).and_then(|length| self.map(length, out)),
            Marker::Map32 => self.length(4).and_then(|length| self.map(length, out)),
            Marker::FixStr(length) => self.blob(b's', usize::from(length), out),
            Marker::Str8 => self.length(1).and_then(|length| self.blob(b's', length, out)),
            Marker::Str16 => self.length(2).and_then(|length| self.blob(b's', length, out)),
            Marker::Str32 => self.length(4).and_then(|length| self.blob(b's', length, out)),
            Marker::Bin8 => self.length(1).and_then(|length| self.blob(b'b', length, out)),
            Marker::Bin16 => self.length(2).and_then(|length| self.blob(b'b', length, out)),
            Marker::Bin32 => self.length(4).and_then(|length| self.blob(b'b', length, out)),
            Marker::F32 => {
                let value = f32::from_be_bytes(self.array()?);
                float(f64::from(value), out);
                Some(())
            }
            Marker::F64 => {
                float(f64::from_be_bytes(self.array()?), out);
                Some(())
            }
            marker => self.scalar(byte, marker, out),
        }
    }

    /// Integers, booleans, nil and extensions: the encoder already has one form for each value.
    fn scalar(&mut self, byte: u8, marker: Marker, out: &mut Vec<u8>) -> Option<()> {
        let rest = match marker {
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::U32 | Marker::I32 => 4,
            Marker::FixExt4 => 5,
            Marker::U64 | Marker::I64 => 8,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::Ext8 => return self.length(1).and_then(|n| self.blob(b'x', n + 1, out)),
            Marker::Ext16 => return self.length(2).and_then(|n| self.blob(b'x', n + 1, out)),
            Marker::Ext32 => return self.length(4).and_then(|n| self.blob(b'x', n + 1, out)),
            _ => 0,
        };
        out.extend_from_slice(&[b'v', byte]);
        out.extend_from_slice(self.take(rest)?);
        Some(())
    }

    fn blob(&mut self, kind: u8, length: usize, out: &mut Vec<u8>) -> Option<()> {
        let bytes = self.take(length)?;
        head(kind, length, out);
        out.extend_from_slice(bytes);
        Some(())
    }

    fn sequence(&mut self, length: usize, out: &mut Vec<u8>) -> Option<()> {
        head(b'a', length, out);
        (0..length).try_for_each(|_| self.canonicalize(out))
    }

    fn map(&mut self, length: usize, out: &mut Vec<u8>) -> Option<()> {
        let mut entries = Vec::new();
        for _ in 0..length {
            let mut entry = Vec::new();
            self.canonicalize(&mut entry)?;
            self.canonicalize(&mut entry)?;
            entries.push(entry);
        }
        entries.sort_unstable();
        head(b'm', length, out);
        entries.iter().for_each(|entry| out.extend_from_slice(entry));
        Some(())
    }
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
