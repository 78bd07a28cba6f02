//! The entropy of a key if its characters are random.
//!
//! A key does not show whether they are: this is a guard against accidents, such as a counter or a name that
//! was sent as the key. Whoever wants to send a key that can be guessed finds one that passes.

use smallvec::SmallVec;

use super::{repetition, words};

/// One for each character of a key, on the stack for keys of the usual length.
type Each<T> = SmallVec<[T; 64]>;

/// Counts each character by the size of the smallest common alphabet that contains all of them: letters of one
/// case alone are a matter of chance in an id of letters and digits, and mostly digits are not. Where more
/// than a third of them follow from the others, by repetition, counting or as words, only the others count.
///
/// `-` and `_` separate the parts of hexadecimal and other keys, and are not counted there. In a key with
/// letters of both cases they are characters like any other, as in base64url.
pub(super) fn bits(key: &str) -> u32 {
    let key = key.as_bytes();
    let any = |alphabet: fn(&u8) -> bool| key.iter().any(alphabet);
    let has_both_cases = any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase);
    let is_counted = |byte: u8| byte != b' ' && (has_both_cases || !matches!(byte, b'-' | b'_'));
    let counted: Each<u8> = key.iter().copied().filter(|byte| is_counted(*byte)).collect();
    let all = |alphabet: fn(&u8) -> bool| counted.iter().all(alphabet);
    let digits = counted.iter().filter(|byte| byte.is_ascii_digit()).count();
    let each = if !all(u8::is_ascii_hexdigit) && digits * 9 >= counted.len() * 7 {
        // A time or a number with a few letters, as in `2026-01-02T03:04:05Z`.
        332
    } else if has_both_cases {
        if any(|byte| matches!(byte, b'-' | b'_')) { 600 } else { 595 }
    } else if all(u8::is_ascii_digit) {
        332
    } else if all(u8::is_ascii_hexdigit) {
        400
    } else if all(u8::is_ascii_alphanumeric) {
        517
    } else {
        595
    };
    let predictable = predictable(key, &counted, is_counted);
    let telling = match predictable * 3 > counted.len() {
        true => counted.len() - predictable,
        false => counted.len(),
    };
    // A key is no longer than a header, so this fits.
    u32::try_from(telling).unwrap_or(u32::MAX / 600) * each / 100
}

/// How many characters follow from the others.
fn predictable(key: &[u8], counted: &[u8], is_counted: impl Fn(u8) -> bool) -> usize {
    let mut marks: Each<bool> = SmallVec::from_elem(false, counted.len());
    repetition::mark(counted, &mut marks);
    let mut next = 0;
    let places: Each<Option<u16>> = key
        .iter()
        .map(|byte| {
            let place = is_counted(*byte).then_some(next)?;
            next += 1;
            u16::try_from(place).ok()
        })
        .collect();
    words::mark(key, &places, &mut marks);
    marks.iter().filter(|mark| **mark).count()
}

#[cfg(test)]
mod tests {
    use super::bits;

    /// What the makers of ids in use make, with their usual settings.
    #[test]
    fn random_ids_have_as_many_bits_as_a_uuid_has_at_random() {
        for (maker, id) in [
            ("UUID 4", "8e03978e-40d5-43e8-bc93-6894a57f9324"),
            ("UUID 7", "01890a5d-ac96-774b-bcce-b302099a8057"),
            ("UUID, in capitals", "8E03978E-40D5-43E8-BC93-6894A57F9324"),
            ("ULID", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
            ("KSUID", "0ujtsYcgvSTl8PAuAdqWYSMnLOv"),
            ("Nano ID", "V1StGXR8_Z5jdHi6B-myT"),
            ("Nano ID without - and _", "IRFa9VaY2b0kVb8cXaQ5Z"),
            ("cuid2", "tz4a98xxat96iws9zmbrgj3a"),
            ("cuid2", "pfh0haxfpzowht3oi213cqos"),
            ("TypeID", "prefix_2x4y6z8a0b1c2d3e4f5g6h7j8k"),
            ("16 bytes in base64", "8Xg0Yt3kQm+5/vB2cD9eFw=="),
            ("16 bytes in base64url", "8Xg0Yt3kQm-5_vB2cD9eFw"),
            ("the draft's example", "clkyoesmbgybucifusbbtdsbohtyuuwz"),
            ("22 digits and letters", "dQw4w9WgXcQxK2mZp7RtVa"),
            ("a word and a UUID", "payment-8e03978e-40d5-43e8-bc93-6894a57f9324"),
        ] {
            assert!(bits(id) >= 120, "{maker} {id}: {}", bits(id));
        }
        assert!(bits("9m4e2mr0ui3e8a215n4g") >= 100, "xid");
        assert_eq!(bits("8e03978e-40d5-43e8-bc93-6894a57f9324"), 128);
        assert_eq!(bits("V1StGXR8_Z5jdHi6B-myT"), 126);
    }

    #[test]
    fn ids_of_time_machine_and_counter_without_more_have_fewer() {
        for (maker, id) in
            [("ObjectId", "507f1f77bcf86cd799439011"), ("Snowflake", "1541815603606036480")]
        {
            assert!(bits(id) < 100, "{maker} {id}: {}", bits(id));
        }
    }

    #[test]
    fn repetition_counting_and_words_have_few() {
        for key in [
            "payment-for-invoice-2026-000123",
            "CreateInvoiceForCustomerNumber42",
            "subscription_renewal_for_account_12345678",
            "TRANSFER-TO-SAVINGS-ACCOUNT-NOVEMBER-2026",
            "correct-horse-battery-staple-orange-river",
            "the quick brown fox jumps over the lazy dog",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabcabcabc",
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
            "deadbeef-dead-beef-dead-beefdeadbeef",
            "01890a5d-ac96-7000-8000-000000000001",
            "01890a5d-ac96-774b-8000-0000000004d2",
            "00000000-0000-4000-8000-000000000123",
            "12345678-1234-1234-1234-123456789012",
            "2026-01-02T03:04:05.123456Z",
            "20261129-084830-000001-worker-7",
        ] {
            assert!(bits(key) < 100, "{key}: {}", bits(key));
        }
    }

    /// Ids of random characters, of each length and alphabet that is in use.
    #[test]
    fn no_random_id_is_taken_for_words_or_repetition() {
        let alphabets: [(&[u8], usize); 6] = [
            (b"0123456789abcdef", 32),
            (b"0123456789abcdefghijklmnopqrstuv", 20),
            (b"0123456789abcdefghijklmnopqrstuvwxyz", 24),
            (b"abcdefghijklmnopqrstuvwxyz", 32),
            (b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 22),
            (b"-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz", 21),
        ];
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as usize % below
        };
        for (alphabet, length) in alphabets {
            let mut refused = Vec::new();
            for _ in 0..10_000 {
                let id: Vec<u8> = (0..length).map(|_| alphabet[random(alphabet.len())]).collect();
                let id = String::from_utf8(id).unwrap();
                if bits(&id) < 100 {
                    refused.push(id);
                }
            }
            assert!(refused.len() <= 1, "{refused:?}");
        }
    }

    #[test]
    fn names_and_numbers_have_fewer() {
        for key in [
            "order-1",
            "Order-2026-01",
            "2026-01-02T03:04:05Z",
            "1234567890123456",
            "",
            "----------------",
        ] {
            assert!(bits(key) < 120, "{key}: {}", bits(key));
        }
    }
}
