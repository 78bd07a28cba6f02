//! What tells one message from every other.

use std::fmt;
use std::str::FromStr;

use crate::key::{Key, KeyParts};
use crate::record::{DerivedKey, Token};
use crate::uuid_text;

/// A message's id: the same however often the message is delivered.
///
/// It is a key, so that a consumer writes `#[idempotent(key = message.id, …)]`. Its text is a UUID's.
///
/// ```
/// use idempotent_core::outbox::MessageId;
///
/// let id = MessageId::random();
/// assert_eq!(id.to_string().parse::<MessageId>()?, id);
/// assert_eq!(id.to_string().len(), 36);
/// # Ok::<(), idempotent_core::outbox::MalformedId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId([u8; 16]);

/// A text is no [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MalformedId;

impl MessageId {
    /// A fresh id: a UUID of version 4.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness to give, as `std`'s own `HashMap` does.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid_text::of_version_4(*Token::random().as_bytes()))
    }

    /// The id with these bytes, in the order in which they are written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Key for MessageId {
    fn write(&self, parts: &mut KeyParts) {
        parts.push_display(self);
    }
}

/// A message that stands for a call's one request, as [`Current::derive`](crate::Current::derive)
/// names it.
impl From<DerivedKey> for MessageId {
    fn from(key: DerivedKey) -> Self {
        Self(*key.as_bytes())
    }
}

#[cfg(feature = "uuid")]
#[cfg_attr(docsrs, doc(cfg(feature = "uuid")))]
impl From<uuid::Uuid> for MessageId {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.into_bytes())
    }
}

#[cfg(feature = "uuid")]
#[cfg_attr(docsrs, doc(cfg(feature = "uuid")))]
impl From<MessageId> for uuid::Uuid {
    fn from(id: MessageId) -> Self {
        Self::from_bytes(id.0)
    }
}

impl FromStr for MessageId {
    type Err = MalformedId;

    /// Reads 32 hexadecimal digits, with or without a UUID's hyphens.
    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let digits: String = match text.len() {
            32 => text.to_owned(),
            36 if text
                .bytes()
                .enumerate()
                .all(|(at, byte)| (byte == b'-') == matches!(at, 8 | 13 | 18 | 23)) =>
            {
                text.replace('-', "")
            }
            _ => return Err(MalformedId),
        };
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(MalformedId);
        }
        let number = u128::from_str_radix(&digits, 16).map_err(|_| MalformedId)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid_text::write(&self.0, f)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl fmt::Display for MalformedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text is no message id")
    }
}

impl std::error::Error for MalformedId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_a_uuid_and_reads_back() {
        let id = MessageId::from_bytes(
            *b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\xf0",
        );
        assert_eq!(id.to_string(), "01020304-0506-0708-090a-0b0c0d0e0ff0");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("0102030405060708090A0B0C0D0E0FF0".parse(), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "01020304-0506-0708-090a-0b0c0d0e0ff",
            "01020304-0506-0708-090a00b0c0d0e0ff0",
            "0102030-40506-0708-090a-0b0c0d0e0ff0",
            "+102030405060708090a0b0c0d0e0ff0",
            "é1020304050607080900b0c0d0e0ff0",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(MalformedId), "{text}");
        }
    }

    #[test]
    fn random_ids_are_uuids_of_version_4() {
        let text = MessageId::random().to_string();
        assert_eq!(&text[14..15], "4");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        assert_ne!(MessageId::random(), MessageId::random());
    }
}
