//! Bytes as hexadecimal text, in cursors and notifications.

/// Two lower-case digits a byte.
pub(in crate::backends) fn encode(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The bytes of a text; `None` if it is not hexadecimal.
pub(in crate::backends) fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let byte = |at: usize| u8::try_from(digit(2 * at)? * 16 + digit(2 * at + 1)?).ok();
    (0..text.len().div_ceil(2)).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_text_and_other_texts_are_refused() {
        for bytes in [&[][..], &[0, 1, 0xab, 0xff]] {
            assert_eq!(decode(&encode(bytes)).unwrap(), bytes);
        }
        for text in ["a", "zz", "0x1", "12é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
