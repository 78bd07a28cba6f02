//! Sealing a record with its MAC, and telling whether it is authentic.

use super::layout::MAC_BYTES;
use super::{Mac, MacKey, Record, RecordBytes, RecordId};

impl Record {
    /// This record with its MAC. One that has a MAC already is the record as it was stored.
    pub(crate) fn sealed(&self, id: &RecordId, key: &MacKey) -> Self {
        if self.has_mac() {
            return self.clone();
        }
        let mut bytes = RecordBytes::with_capacity(self.0.len() + MAC_BYTES);
        // A store ends the wait for steps and has no key, so the MAC is that of the record which the store leaves. Who
        // can write to the store gains nothing: a run that resumes too early finds the step in doubt.
        bytes.extend_from_slice(&self.with_steps_settled().0);
        key.seal(id, &mut bytes);
        bytes[2] = self.0[2];
        Self(bytes[..].into())
    }

    /// Whether this record is authentic under `id`.
    pub(crate) fn verify(&self, id: &RecordId, key: &MacKey) -> Mac {
        if !self.has_mac() {
            return Mac::Missing;
        }
        if self.waits_for_steps() {
            return self.with_steps_settled().verify(id, key);
        }
        match self.0.split_last_chunk() {
            Some((covered, mac)) if key.verifies(id, covered, mac) => Mac::Authentic,
            _ => Mac::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::mac::SMALL;
    use super::*;
    use crate::model::{
        Envelope, Fingerprint, Guarantee, KeyParts, NotKept, Outcome, Secret, Token,
    };

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

    #[test]
    fn a_store_ends_the_wait_for_steps_without_a_key_and_changes_nothing_else() {
        let envelope = Envelope::new("shop::checkout");
        let reserved = Record::reserved(&envelope, Token::from_bytes([9; 16]));
        let journaled = reserved.with_journal(Token::from_bytes([5; 16]), Duration::from_secs(1));
        let waiting = journaled.abandoned().waiting_for_steps().sealed(&order(42), &key(1));
        let settled = waiting.with_steps_settled();
        for record in [&waiting, &settled] {
            let read = Record::from_bytes(record.as_bytes()).unwrap();
            assert_eq!(read.verify(&order(42), &key(1)), Mac::Authentic);
            assert_eq!(read.verify(&order(43), &key(1)), Mac::Wrong);
        }
        assert!(waiting.waits_for_steps() && settled.suspends());
        for code in 0..=2 {
            let mut bytes = waiting.as_bytes().to_vec();
            bytes[2] = code;
            let authentic = Record::from_bytes(&bytes).map(|it| it.verify(&order(42), &key(1)));
            assert_ne!(authentic, Ok(Mac::Authentic), "{code}");
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
        let sealed =
            Record::reserved_at(&envelope, token, Duration::ZERO, Some((&order(42), &mac)));
        let hex: String = sealed.as_bytes()[54..].iter().map(|it| format!("{it:02x}")).collect();
        assert_eq!(hex, "8a131b15feb4f62260a97cf61baa1af07912e62ae0a3512acca94d5b2ad64a09");
    }
}
