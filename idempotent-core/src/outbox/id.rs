//! The id of a message.

use std::fmt;
use std::str::FromStr;

use crate::model::uuid_text;
use crate::model::{DerivedKey, Token};
use crate::model::{Key, KeyParts};

/// The id of a message: the same in every delivery of it.
///
/// It is a key, so a consumer can write `#[idempotent(key = message.id, …)]`. Its text is that of a UUID.
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

/// The error for a text that is not a [`MessageId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MalformedId;

impl MessageId {
    /// A random id: a UUID of version 4.
    ///
    /// # Panics
    ///
    /// If the operating system provides no randomness, like `std`'s own `HashMap`.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid_text::of_version_4(*Token::random().as_bytes()))
    }

    /// The id with these bytes, in the order of its text.
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

/// The id of a message that a call publishes, [derived](crate::engine::CurrentCall::derive) from the call.
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
        f.write_str("the text is not a message id: it must be a UUID")
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
    fn a_text_that_is_not_an_id_is_refused() {
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
