//! [`KeyHash`]: what the log shows of a key.

use std::fmt;

use reqwest::header::HeaderValue;

/// Half of the words of a UUID are enough to tell requests apart.
const SHOWN_BYTES: usize = 8;

/// The first 16 hexadecimal digits of a key's BLAKE3 hash, without the quotes of an RFC 8941 String. It tells
/// requests apart in a log whose readers must not learn keys.
pub(super) struct KeyHash([u8; SHOWN_BYTES]);

impl KeyHash {
    pub(super) fn of(key: &HeaderValue) -> Self {
        let bytes = key.as_bytes();
        let bare = bytes.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
        let hash = blake3::hash(bare.unwrap_or(bytes));
        let mut shown = [0; SHOWN_BYTES];
        shown.copy_from_slice(&hash.as_bytes()[..SHOWN_BYTES]);
        Self(shown)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(key: &'static str) -> String {
        KeyHash::of(&HeaderValue::from_static(key)).to_string()
    }

    #[test]
    fn a_key_has_the_same_hash_with_and_without_quotes() {
        assert_eq!(shown("\"order-7\""), shown("order-7"));
        assert_ne!(shown("order-7"), shown("order-8"));
        assert_eq!(shown("order-7").len(), 16);
    }
}
