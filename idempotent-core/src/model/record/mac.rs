//! The MAC of a record: whoever can write to a store cannot make one without the engine's secret.
//!
//! It is a keyed BLAKE3 hash of the record's bytes, from the layout to the end of the result, and of
//! the hash of its id, so a record is authentic only in its own place. What a store keeps beside the
//! bytes is not covered: when the lease lapses, and when the record expires.

use smallvec::SmallVec;

use super::envelope::RecordBytes;
use super::layout::{FLAGS, MAC_BYTES, flag};
use super::{Record, RecordId, Secret};

/// The context of the key's derivation. It changes whenever what the MAC covers does.
const CONTEXT: &str = "idempotent-core 2026-11 record authentication, layout 2";

/// A record of at most so many bytes is hashed in one call.
const SMALL: usize = 480;

/// The key of records' MACs, derived from a secret: never the key of the hashes of ids.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MacKey([u8; blake3::KEY_LEN]);

/// The authenticity of a record, by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mac {
    /// It was written by somebody who has the key, under this id.
    Authentic,
    /// It was changed, belongs to another id, or was written with another key.
    Wrong,
    /// It has none.
    Missing,
}

impl MacKey {
    pub(crate) fn derive(Secret(secret): &Secret) -> Self {
        Self(blake3::derive_key(CONTEXT, secret))
    }

    /// Appends the MAC to the bytes of a record that has none.
    pub(super) fn seal(&self, id: &RecordId, bytes: &mut RecordBytes) {
        let flags = u16::from_le_bytes([bytes[FLAGS], bytes[FLAGS + 1]]) | flag::MAC;
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        // The id stands where the MAC will, so that one call hashes both.
        let end = bytes.len();
        bytes.extend_from_slice(id.hash());
        let mac = blake3::keyed_hash(&self.0, bytes);
        bytes[end..].copy_from_slice(mac.as_bytes());
    }
}

impl Record {
    /// This record with its MAC. One that has a MAC already is the record as it was stored.
    pub(crate) fn sealed(&self, id: &RecordId, key: &MacKey) -> Self {
        if self.has_mac() {
            return self.clone();
        }
        let mut bytes = RecordBytes::with_capacity(self.0.len() + MAC_BYTES);
        bytes.extend_from_slice(&self.0);
        key.seal(id, &mut bytes);
        Self(bytes[..].into())
    }

    /// Whether this record is authentic under `id`, compared in constant time.
    pub(crate) fn verify(&self, id: &RecordId, key: &MacKey) -> Mac {
        if !self.has_mac() {
            return Mac::Missing;
        }
        let Some((covered, mac)) = self.0.split_last_chunk::<MAC_BYTES>() else {
            return Mac::Wrong;
        };
        // Most records are small, and the incremental hasher costs more to set up than they cost to copy.
        let found = if covered.len() <= SMALL {
            let mut input = SmallVec::<[u8; SMALL + 32]>::from_slice(covered);
            input.extend_from_slice(id.hash());
            blake3::keyed_hash(&key.0, &input)
        } else {
            blake3::Hasher::new_keyed(&key.0).update(covered).update(id.hash()).finalize()
        };
        if found == *mac { Mac::Authentic } else { Mac::Wrong }
    }

    /// Whether this record has a MAC. Whether it is the right one, only a key can tell.
    pub(crate) fn has_mac(&self) -> bool {
        self.has(flag::MAC)
    }

    /// The bytes of a record that is about to be changed, so without its MAC.
    pub(super) fn unsealed_bytes(&self) -> RecordBytes {
        let mut bytes = self.0[..self.payload_end()].to_vec();
        remove_flag(&mut bytes);
        bytes
    }

    /// Where the result ends.
    pub(super) fn payload_end(&self) -> usize {
        self.0.len() - if self.has_mac() { MAC_BYTES } else { 0 }
    }
}

/// Says of bytes that they have no MAC.
pub(super) fn remove_flag(bytes: &mut [u8]) {
    bytes[FLAGS + 1] &= !((flag::MAC >> 8) as u8);
}

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MacKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::model::{Envelope, Fingerprint, Guarantee, KeyParts, NotKept, Outcome, Token};

    fn key(byte: u8) -> MacKey {
        MacKey::derive(&Secret([byte; 32]))
    }

    fn order(number: u32) -> RecordId {
        RecordId::of("shop::charge", None, &("order:", number)).unwrap()
    }

    fn reservation() -> Record {
        let text = KeyParts::of(&("order:", 42)).unwrap();
        let envelope = Envelope::new("shop::charge")
            .key(&text)
            .guarantee(Guarantee::AtMostOnce)
            .fingerprint(Fingerprint::from_bytes([7; 32]));
        Record::reserved(&envelope, Token::from_bytes([9; 16]))
    }

    fn every_kind() -> [Record; 5] {
        let reserved = reservation();
        [
            reserved.completed(b"result"),
            reserved.completed(b""),
            reserved.tombstone(NotKept::TooLarge),
            reserved.abandoned().with_last_error("lost"),
            reserved,
        ]
    }

    #[test]
    fn a_sealed_record_reads_as_it_did_before() {
        for record in every_kind() {
            let sealed = record.sealed(&order(42), &key(1));
            let read = Record::from_bytes(sealed.as_bytes()).unwrap();
            assert_eq!(read, sealed);
            assert_eq!(read.outcome(), record.outcome());
            assert_eq!((read.key(), read.last_error()), (record.key(), record.last_error()));
            assert_eq!((read.token(), read.fingerprint()), (record.token(), record.fingerprint()));
            assert_eq!(read.verify(&order(42), &key(1)), Mac::Authentic);
        }
    }

    /// Every bit, so also those of the fields that a store believes: outcome, guarantee, token.
    #[test]
    fn no_bit_of_a_sealed_record_can_be_changed() {
        for record in every_kind() {
            let sealed = record.sealed(&order(42), &key(1));
            for bit in 0..sealed.as_bytes().len() * 8 {
                let mut bytes = sealed.as_bytes().to_vec();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let Ok(read) = Record::from_bytes(&bytes) else { continue };
                assert_ne!(read.verify(&order(42), &key(1)), Mac::Authentic, "bit {bit}");
            }
        }
    }

    #[test]
    fn a_record_of_any_size_is_hashed_as_one() {
        for size in [0, 1, SMALL - 100, SMALL, SMALL * 3, 100_000] {
            let sealed = reservation().completed(&vec![7; size]).sealed(&order(42), &key(1));
            assert_eq!(sealed.verify(&order(42), &key(1)), Mac::Authentic, "{size}");
            assert_eq!(sealed.outcome(), Outcome::Kept(&vec![7; size]));
        }
    }

    #[test]
    fn a_record_is_authentic_only_under_its_own_id_and_key() {
        let sealed = reservation().completed(b"result").sealed(&order(42), &key(1));
        assert_eq!(sealed.verify(&order(43), &key(1)), Mac::Wrong);
        assert_eq!(sealed.verify(&order(42), &key(2)), Mac::Wrong);
        assert_eq!(reservation().verify(&order(42), &key(1)), Mac::Missing);
    }

    #[test]
    fn what_is_made_of_a_sealed_record_has_no_mac_until_it_is_sealed_again() {
        let sealed = reservation().sealed(&order(42), &key(1));
        let made = [
            sealed.completed(b"result"),
            sealed.held(),
            sealed.abandoned(),
            sealed.with_guarantee(Guarantee::AtLeastOnce),
            sealed.with_last_error("lost"),
            sealed.completed(b"result").sealed(&order(42), &key(1)).tombstone(NotKept::Evicted),
        ];
        for record in made {
            assert!(!record.has_mac(), "{record:?}");
            assert_eq!(Record::from_bytes(record.as_bytes()).unwrap(), record);
            let again = record.sealed(&order(42), &key(1));
            assert_eq!(again.verify(&order(42), &key(1)), Mac::Authentic);
        }
        assert_eq!(sealed.completed(b"result").outcome(), Outcome::Kept(b"result"));
    }

    /// Processes of several versions share records.
    #[test]
    fn the_mac_is_the_same_in_every_version() {
        let envelope = Envelope::new("shop::charge");
        let (token, mac) = (Token::from_bytes([9; 16]), key(1));
        let sealed = Record::reserved_at(&envelope, token, UNIX_EPOCH, Some((&order(42), &mac)));
        let hex: String = sealed.as_bytes()[54..].iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(hex, "");
    }
}
