//! What a record's bytes carry, and which bytes are no record.

use super::*;
use crate::model::KeyParts;

fn full() -> Record {
    let key = KeyParts::of(&("order:", 42)).unwrap();
    let scope = KeyParts::of("acme").unwrap();
    let envelope = Envelope {
        key: Some(&key),
        scope: Some(&scope),
        guarantee: Guarantee::AtMostOnce,
        fingerprint: Some(Fingerprint::from_bytes([7; 32])),
        version: 3,
        lease: Duration::from_millis(1500),
        retention: Duration::from_secs(86_400),
        ..Envelope::new("shop::charge")
    };
    Record::reserved(&envelope, Token::from_bytes([9; 16]))
}

#[test]
fn every_field_survives_the_bytes() {
    let record = Record::from_bytes(full().completed(b"result").as_bytes()).unwrap();
    assert_eq!(record.operation(), "shop::charge");
    assert_eq!(record.key(), Some("order:42"));
    assert_eq!(record.scope(), Some("acme"));
    assert_eq!(record.last_error(), None);
    assert_eq!(record.owner_state(), OwnerState::Running);
    assert_eq!(record.guarantee(), Guarantee::AtMostOnce);
    assert_eq!(record.fingerprint(), Some(Fingerprint::from_bytes([7; 32])));
    assert_eq!(record.version(), 3);
    assert_eq!(record.lease(), Duration::from_millis(1500));
    assert_eq!(record.retention(), Duration::from_secs(86_400));
    assert_eq!(record.token(), Token::from_bytes([9; 16]));
    assert_eq!(record.outcome(), Outcome::Kept(b"result"));
    assert!(record.created().elapsed().unwrap() < Duration::from_secs(60));
}

#[test]
fn every_guarantee_survives_the_bytes() {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce, Guarantee::ExactlyOnce] {
        let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
        let record = Record::reserved(&envelope, Token::random());
        assert_eq!(Record::from_bytes(record.as_bytes()).unwrap().guarantee(), guarantee);
    }
}

#[test]
fn a_tombstone_says_why() {
    for why in [
        NotKept::TooLarge,
        NotKept::Evicted,
        NotKept::NotEncodable,
        NotKept::NotMemoized,
        NotKept::Withheld,
    ] {
        let tombstone = full().completed(b"result").tombstone(why);
        let read = Record::from_bytes(tombstone.as_bytes()).unwrap();
        assert_eq!(read.outcome(), Outcome::NotKept(why));
    }
}

#[test]
fn no_prefix_and_no_other_layout_is_a_record() {
    let record = full();
    for length in 0..record.as_bytes().len() {
        let cut = &record.as_bytes()[..length];
        assert_eq!(Record::from_bytes(cut), Err(MalformedRecord::Broken), "{length}");
    }
    for (at, value) in [(0, 0), (0, 1), (0, b'{'), (1, 99), (2, b' '), (3, 255), (41, 255)] {
        let mut bytes = record.as_bytes().to_vec();
        bytes[at] = value;
        assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Broken), "{at}, {value}");
    }
}

#[test]
fn what_a_newer_version_wrote_is_told_from_broken_bytes() {
    let record = full();
    for (at, value) in [(0, 3), (0, 31), (1, 30), (2, 9), (3, 3)] {
        let mut bytes = record.as_bytes().to_vec();
        bytes[at] = value;
        assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Newer), "{at}, {value}");
        // Without the name that each record has, it is not even that.
        bytes[40..42].copy_from_slice(&u16::MAX.to_le_bytes());
        let read = Record::from_bytes(&bytes);
        assert_eq!(read == Err(MalformedRecord::Newer), at == 0, "{at}, {value}");
    }
}

#[test]
fn a_reader_refuses_flags_that_it_does_not_know() {
    for flag in (0..16).map(|bit| 1_u16 << bit).filter(|flag| flag::KNOWN & flag == 0) {
        let mut bytes = full().as_bytes().to_vec();
        let flags = u16::from_le_bytes([bytes[38], bytes[39]]) | flag;
        bytes[38..40].copy_from_slice(&flags.to_le_bytes());
        assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Newer), "{flag}");
    }
    assert_eq!(flag::KNOWN & flag::ENCRYPTION_KEY, 0);
}

#[test]
fn a_flagged_text_that_is_missing_or_too_long_is_malformed() {
    let record = full();
    let without_scope = u16::from_le_bytes(record.array(38)) & !flag::SCOPE;
    let with_error = u16::from_le_bytes(record.array(38)) | flag::LAST_ERROR;
    for flags in [without_scope, with_error] {
        let mut bytes = record.as_bytes().to_vec();
        bytes[38..40].copy_from_slice(&flags.to_le_bytes());
        assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Broken));
    }
}

#[test]
fn an_owner_that_held_or_abandoned_its_reservation_is_told_from_one_that_runs() {
    let cases = [(full().held(), OwnerState::Held), (full().abandoned(), OwnerState::Abandoned)];
    for (record, state) in cases {
        let read = Record::from_bytes(record.as_bytes()).unwrap();
        assert_eq!((read.owner_state(), read.outcome()), (state, Outcome::Reserved));
        assert_eq!(read.token(), full().token());
        assert_eq!(read.completed(b"late").owner_state(), OwnerState::Running);
    }
}

#[test]
fn a_last_error_is_kept_beside_the_other_texts_and_replaced_by_a_later_one() {
    let long = "ä".repeat(500);
    for record in [full(), full().with_last_error("the first")] {
        let read = record.abandoned().with_last_error(&long);
        let read = Record::from_bytes(read.as_bytes()).unwrap();
        assert_eq!((read.key(), read.scope()), (Some("order:42"), Some("acme")));
        assert_eq!(read.last_error(), Some(&long[..254]));
        assert_eq!(read.completed(b"result").outcome(), Outcome::Kept(b"result"));
    }
}

#[test]
fn an_abandoned_reservation_can_have_a_stricter_guarantee() {
    let record = Record::reserved(&Envelope::new("shop::charge"), Token::random());
    let stricter = record.with_guarantee(Guarantee::AtMostOnce);
    assert_eq!(stricter.guarantee(), Guarantee::AtMostOnce);
    assert_eq!(stricter.token(), record.token());
}

#[test]
fn debug_shows_no_key_and_no_result() {
    let shown = format!("{:?}", full().completed(b"secret"));
    assert!(
        !shown.contains("order:42") && !shown.contains("acme") && !shown.contains("secret"),
        "{shown}"
    );
}

/// Bytes of another origin may say anything, and must not make a reader panic.
#[test]
fn hostile_bytes_are_refused_or_read_without_a_panic() {
    let seeds = [full(), full().completed(b"result"), full().abandoned().with_last_error("lost")];
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    };
    let mut read = 0;
    for round in 0..60_000 {
        let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
        for _ in 0..=random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        bytes.truncate(bytes.len() - random() % 2 * (random() % bytes.len()));
        let Ok(record) = Record::from_bytes(&bytes) else { continue };
        read += 1;
        let texts = [record.key(), record.scope(), record.last_error(), Some(record.operation())];
        assert!(texts.into_iter().flatten().all(|text| text.len() <= bytes.len()));
        let _ = (record.fingerprint(), record.outcome(), record.created(), record.retention());
        let marked = record.abandoned().with_last_error("again").completed(b"late");
        assert_eq!(Record::from_bytes(marked.as_bytes()), Ok(marked));
    }
    assert!(read > 1_000, "{read} of them were read");
}
