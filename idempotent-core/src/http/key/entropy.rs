//! The entropy of a key if its characters are random.
//!
//! A key does not show whether they are random, but a short key is guessable in any case.

/// Counts each character by the size of the smallest common alphabet that contains all of them.
///
/// `-` and `_` separate the parts of hexadecimal and other keys, and are not counted there. In a key with
/// letters of both cases they are characters like any other, as in base64url.
pub(super) fn bits(key: &str) -> u32 {
    let any = |alphabet: fn(&u8) -> bool| key.as_bytes().iter().any(alphabet);
    let (has_lower, has_upper) = (any(u8::is_ascii_lowercase), any(u8::is_ascii_uppercase));
    if has_lower && has_upper {
        let is_base64url = any(|byte| matches!(byte, b'-' | b'_'));
        let characters = key.bytes().filter(|byte| *byte != b' ').count();
        return hundredths(characters, if is_base64url { 600 } else { 595 });
    }
    let counted = || key.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' '));
    let all = |alphabet: fn(u8) -> bool| counted().all(alphabet);
    let each = if all(|byte| byte.is_ascii_digit()) {
        332
    } else if all(|byte| byte.is_ascii_hexdigit()) {
        400
    } else if all(|byte| byte.is_ascii_alphabetic()) {
        470
    } else if all(|byte| byte.is_ascii_alphanumeric()) {
        517
    } else {
        595
    };
    hundredths(counted().count(), each)
}

/// A key is no longer than a header, so this fits.
fn hundredths(characters: usize, each: u32) -> u32 {
    u32::try_from(characters).unwrap_or(u32::MAX / 600) * each / 100
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
        ] {
            assert!(bits(id) >= 120, "{maker} {id}: {}", bits(id));
        }
        assert_eq!(bits("8e03978e-40d5-43e8-bc93-6894a57f9324"), 128);
        assert_eq!(bits("V1StGXR8_Z5jdHi6B-myT"), 126);
    }

    #[test]
    fn ids_of_time_machine_and_counter_have_fewer() {
        for (maker, id) in [
            ("xid", "9m4e2mr0ui3e8a215n4g"),
            ("ObjectId", "507f1f77bcf86cd799439011"),
            ("Snowflake", "1541815603606036480"),
        ] {
            assert!(bits(id) < 120, "{maker} {id}: {}", bits(id));
        }
        assert!(bits("9m4e2mr0ui3e8a215n4g") >= 96);
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
