//! The entropy of a key if its characters are random.
//!
//! A key does not show whether they are random, but a short key is guessable in any case.

/// Counts each character by the size of the smallest common alphabet that contains all of them.
pub(super) fn bits(key: &str) -> u32 {
    let counted = || key.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' '));
    let all = |alphabet: fn(u8) -> bool| counted().all(alphabet);
    let hundredths: u32 = if all(|byte| byte.is_ascii_digit()) {
        332
    } else if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
    {
        400
    } else if all(|byte| byte.is_ascii_lowercase()) || all(|byte| byte.is_ascii_uppercase()) {
        470
    } else if all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
        || all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z'))
    {
        516
    } else {
        595
    };
    // A key has at most 255 characters, so this fits.
    counted().count() as u32 * hundredths / 100
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn a_uuid_and_the_drafts_examples_have_128_bits() {
        assert_eq!(bits("8e03978e-40d5-43e8-bc93-6894a57f9324"), 128);
        assert_eq!(bits("8E03978E-40D5-43E8-BC93-6894A57F9324"), 128);
        assert!(bits("clkyoesmbgybucifusbbtdsbohtyuuwz") >= 128);
        assert!(bits("dQw4w9WgXcQxK2mZp7RtVa") >= 128);
    }

    #[test]
    fn names_and_numbers_have_fewer() {
        for key in ["order-1", "2026-01-02T03:04:05Z", "1234567890123456", "", "----------------"] {
            assert!(bits(key) < 128, "{key}");
        }
    }
}
