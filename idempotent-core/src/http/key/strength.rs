//! What a key's characters are worth as a secret, were they drawn at random.
//!
//! Nobody can tell from a key whether they were; a short one cannot have been.

/// Hundredths of a bit for each character, by the smallest usual alphabet that has them all.
pub(super) fn bits(key: &str) -> u32 {
    let counted = || key.bytes().filter(|byte| !matches!(byte, b'-' | b'_' | b' '));
    let all = |alphabet: fn(u8) -> bool| counted().all(alphabet);
    let worth: u32 = if all(|byte| byte.is_ascii_digit()) {
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
    counted().count() as u32 * worth / 100
}

#[cfg(test)]
mod tests {
    use super::bits;

    #[test]
    fn a_uuid_and_the_drafts_examples_are_worth_128_bits() {
        assert_eq!(bits("8e03978e-40d5-43e8-bc93-6894a57f9324"), 128);
        assert_eq!(bits("8E03978E-40D5-43E8-BC93-6894A57F9324"), 128);
        assert!(bits("clkyoesmbgybucifusbbtdsbohtyuuwz") >= 128);
        assert!(bits("dQw4w9WgXcQxK2mZp7RtVa") >= 128);
    }

    #[test]
    fn names_and_numbers_are_not() {
        for key in ["order-1", "2026-01-02T03:04:05Z", "1234567890123456", "", "----------------"] {
            assert!(bits(key) < 128, "{key}");
        }
    }
}
