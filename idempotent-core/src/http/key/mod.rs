//! The `Idempotency-Key` header: from its bytes to a key, or to what is wrong with it.
//!
//! Draft-07 makes the value an RFC 8941 String, and Stripe's clients send the bare text. Both are
//! one key here, with one policy: 1 to 255 printable ASCII characters, not all of them spaces.

mod strength;
mod syntax;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::key::{Key, KeyParts};

/// The key of an `Idempotency-Key` header.
///
/// `"abc"` and `abc` are the same key. Parameters are ignored, and must be well-formed all the same,
/// so that the bare keys `a;1` and `a;2` are refused and not one key.
///
/// ```
/// use idempotent_core::http::IdempotencyKey;
///
/// let quoted = IdempotencyKey::from_bytes(br#""8e03978e-40d5-43e8-bc93-6894a57f9324""#)?;
/// let bare = IdempotencyKey::from_bytes(b"8e03978e-40d5-43e8-bc93-6894a57f9324; v=1")?;
/// assert_eq!(quoted, bare);
/// # Ok::<(), idempotent_core::http::InvalidKey>(())
/// ```
///
/// It is a [`Key`], so a handler may pass it on: `#[idempotent(key = key, …)]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

/// Why a header is not a key. All but [`Missing`](Self::Missing) are the code `invalid_key`, and all
/// of them 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidKey {
    /// There is no such header.
    Missing,
    /// There are several such lines.
    Repeated,
    /// The value is a list, which is also how a proxy joins repeated lines.
    List,
    /// The key is empty or blank.
    Empty,
    /// The key has more than [`IdempotencyKey::MAX_BYTES`] bytes.
    TooLong,
    /// The value has a character outside printable ASCII.
    Character,
    /// The value is neither an RFC 8941 String nor a bare key.
    Syntax,
    /// The key could be guessed, and where keys have no scope that would show a stranger's response.
    Weak,
}

impl IdempotencyKey {
    /// The name of the header, `Idempotency-Key`.
    pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

    /// The longest key, in bytes, without quotes and escapes.
    pub const MAX_BYTES: usize = 255;

    /// A key of this text, as it is without quotes and escapes.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], if the policy of keys refuses it.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let printable = |byte: u8| matches!(byte, b' '..=b'~');
        if !text.bytes().all(printable) {
            Err(InvalidKey::Character)
        } else if text.bytes().all(|byte| byte == b' ') {
            Err(InvalidKey::Empty)
        } else if text.len() > Self::MAX_BYTES {
            Err(InvalidKey::TooLong)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The key of a header's value.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], for everything but [`Missing`](InvalidKey::Missing) and
    /// [`Repeated`](InvalidKey::Repeated).
    pub fn from_bytes(value: &[u8]) -> Result<Self, InvalidKey> {
        syntax::parse(value)
    }

    /// The key of a request, in the header of that name; `None` if there is none.
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use idempotent_core::http::{IdempotencyKey, InvalidKey};
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(IdempotencyKey::from_headers(&headers, &IdempotencyKey::HEADER), Ok(None));
    ///
    /// headers.append(IdempotencyKey::HEADER, HeaderValue::from_static("one"));
    /// headers.append(IdempotencyKey::HEADER, HeaderValue::from_static("one"));
    /// let repeated = IdempotencyKey::from_headers(&headers, &IdempotencyKey::HEADER);
    /// assert_eq!(repeated, Err(InvalidKey::Repeated));
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], for everything but [`Missing`](InvalidKey::Missing).
    pub fn from_headers(
        headers: &HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<Self>, InvalidKey> {
        Self::from_lines(headers.get_all(name).iter().map(HeaderValue::as_bytes))
    }

    /// The key of all lines of the header.
    pub(crate) fn from_lines<'a>(
        mut lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Self>, InvalidKey> {
        let Some(value) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(InvalidKey::Repeated);
        }
        Self::from_bytes(value).map(Some)
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as an RFC 8941 String: what a client sends.
    ///
    /// ```
    /// use idempotent_core::http::IdempotencyKey;
    ///
    /// let value = IdempotencyKey::new(r#"a "b""#)?.to_header_value();
    /// assert_eq!(value, r#""a \"b\"""#);
    /// assert_eq!(IdempotencyKey::from_bytes(value.as_bytes())?.as_str(), r#"a "b""#);
    /// # Ok::<(), idempotent_core::http::InvalidKey>(())
    /// ```
    #[must_use]
    pub fn to_header_value(&self) -> HeaderValue {
        let mut quoted = String::with_capacity(self.0.len() + 2);
        quoted.push('"');
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        // A key's characters are those of a header's value.
        HeaderValue::try_from(quoted).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// How many bits its characters are worth, were they drawn at random: 4 for each of hexadecimal
    /// digits, 5.9 for each of letters of both cases and digits. A UUID has 128.
    #[must_use]
    pub fn bits(&self) -> u32 {
        strength::bits(&self.0)
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    /// [`IdempotencyKey::new`].
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl TryFrom<&HeaderValue> for IdempotencyKey {
    type Error = InvalidKey;

    /// [`IdempotencyKey::from_bytes`].
    fn try_from(value: &HeaderValue) -> Result<Self, InvalidKey> {
        Self::from_bytes(value.as_bytes())
    }
}

impl AsRef<str> for IdempotencyKey {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Key for IdempotencyKey {
    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.as_str());
    }
}

impl fmt::Debug for IdempotencyKey {
    /// Without the text: where keys have no scope, whoever knows one sees its response.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({} bytes)", self.0.len())
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the idempotency key is missing",
            Self::Repeated => "the header of the idempotency key is repeated",
            Self::List => "the header of the idempotency key is a list",
            Self::Empty => "the idempotency key is empty",
            Self::TooLong => "the idempotency key has more than 255 characters",
            Self::Character => "the idempotency key has a character that is not printable ASCII",
            Self::Syntax => "the idempotency key is neither a quoted string nor a bare key",
            Self::Weak => "the idempotency key could be guessed: send a random UUID",
        })
    }
}

impl std::error::Error for InvalidKey {}
