//! The beginning of an id's hash, by which a scan finds a record of which somebody has some digits.

use crate::model::RecordId;

/// The first hex digits of an id's hash.
///
/// ```
/// # use idempotent_core::{model::RecordId, store::HashPrefix};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let id: RecordId = format!("shop.charge:5c83260f{}", "0".repeat(56)).parse()?;
/// let prefix = HashPrefix::new("5C83260F").ok_or("these are hex digits")?;
/// assert!(prefix.matches(&id));
/// assert_eq!(HashPrefix::new("order-7"), None);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashPrefix {
    /// In lower case, one at least and 64 at most.
    digits: String,
}

impl HashPrefix {
    /// Reads the digits, in lower or upper case; `None` if there is none, if there are more than 64, or if one of them is
    /// no hex digit.
    #[must_use]
    pub fn new(digits: &str) -> Option<Self> {
        let is_prefix = (1..=64).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_prefix.then(|| Self { digits: digits.to_ascii_lowercase() })
    }

    /// The digits, in lower case.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether the id's hash begins with these digits.
    #[must_use]
    pub fn matches(&self, id: &RecordId) -> bool {
        self.compare(id.hash()).is_eq()
    }

    /// Whether a hash comes before, is among, or comes after those that begin with these digits.
    pub(crate) fn compare(&self, hash: &[u8]) -> std::cmp::Ordering {
        let nibbles = hash.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
        nibbles.take(self.digits.len()).cmp(self.nibbles())
    }

    /// The digits as bytes, the last one with a zero behind it if their number is odd.
    #[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite", test))]
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let nibbles: Vec<_> = self.nibbles().collect();
        nibbles.chunks(2).map(|pair| (pair[0] << 4) | pair.get(1).unwrap_or(&0)).collect()
    }

    fn nibbles(&self) -> impl Iterator<Item = u8> + '_ {
        self.digits.bytes().map(|digit| match digit {
            b'0'..=b'9' => digit - b'0',
            _ => digit - b'a' + 10,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::*;

    #[test]
    fn hashes_are_before_among_or_behind_those_that_begin_so() {
        let mut hash = [0x77; 32];
        hash[..2].copy_from_slice(&[0x5C, 0x83]);
        for (digits, order) in [
            ("5", Ordering::Equal),
            ("5c8", Ordering::Equal),
            ("5C83", Ordering::Equal),
            ("5c84", Ordering::Less),
            ("5d", Ordering::Less),
            ("5c7", Ordering::Greater),
            ("5c83770", Ordering::Greater),
        ] {
            assert_eq!(HashPrefix::new(digits).unwrap().compare(&hash), order, "{digits}");
        }
    }

    #[test]
    fn an_odd_digit_is_the_upper_half_of_a_byte() {
        assert_eq!(HashPrefix::new("5c8").unwrap().bytes(), [0x5C, 0x80]);
        assert_eq!(HashPrefix::new("5c83").unwrap().bytes(), [0x5C, 0x83]);
    }

    #[test]
    fn what_is_no_beginning_of_a_hash_is_refused() {
        for digits in ["", "5g", "5c83 ", &"a".repeat(65)] {
            assert_eq!(HashPrefix::new(digits), None, "{digits:?}");
        }
    }
}
