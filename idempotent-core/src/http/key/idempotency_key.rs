//! The key of a request, parsed from its header.
//!
//! Draft-07 says that the value is an RFC 8941 String; Stripe's clients send the bare text. Both forms
//! give the same key, under one policy: 1 to 255 printable ASCII characters, not all of them spaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::invalid_key::InvalidKey;
use super::{entropy, parse};
use crate::model::{Key, KeyParts};

/// The key of an `Idempotency-Key` header.
///
/// `"abc"` and `abc` are the same key. Parameters are ignored but must be well-formed; otherwise the
/// bare values `a;1` and `a;2`, which are refused, would be the same key.
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
/// It implements [`Key`], so a handler can pass it to the attribute, with the owner of the key:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::{Error, http::IdempotencyKey, idempotent};
///
/// #[idempotent(key = key, scope = account, fingerprint = cents, name = "shop.pay")]
/// async fn pay(account: u64, key: IdempotencyKey, cents: u64) -> Result<String, Error> {
///     Ok(format!("{cents} cents from account {account}"))
/// }
/// # Ok(pay(1, IdempotencyKey::new("k")?, 2).await.map(drop)?) }
/// ```
///
/// Without an owner it does not compile, since another client could send the same key and get this one's
/// result. (The compiler finds it when it generates code, so `cargo build` reports it and `cargo check` does
/// not.)
///
/// ```compile_fail
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::{Error, http::IdempotencyKey, idempotent};
///
/// #[idempotent(key = key, fingerprint = cents, name = "shop.pay")]
/// async fn pay(account: u64, key: IdempotencyKey, cents: u64) -> Result<String, Error> {
///     Ok(format!("{cents} cents from account {account}"))
/// }
/// # Ok(pay(1, IdempotencyKey::new("k")?, 2).await.map(drop)?) }
/// ```
///
/// For a service whose clients all share their keys, such as one behind a gateway that authenticates them,
/// there is `global_scope`. A key that could be guessed is then refused with
/// [`InvalidKey`](crate::ErrorKind::InvalidKey), before anything runs:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use idempotent_core::{Error, ErrorKind, http::IdempotencyKey, idempotent};
///
/// #[idempotent(key = key, global_scope, fingerprint = cents, name = "ledger.post")]
/// async fn post(key: IdempotencyKey, cents: u64) -> Result<String, Error> {
///     Ok(format!("{cents} cents"))
/// }
///
/// let key = IdempotencyKey::new("8e03978e-40d5-43e8-bc93-6894a57f9324")?;
/// assert_eq!(post(key, 7).await?, "7 cents");
/// let refused = post(IdempotencyKey::new("payment-1")?, 7).await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::InvalidKey);
/// # Ok(()) }
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The name of the header, `Idempotency-Key`.
    pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

    /// The maximum length of a key in bytes, without quotes and escapes, unless an engine has
    /// [another limit](crate::IdempotencyBuilder::max_key_bytes).
    pub const MAX_BYTES: usize = 255;

    /// The least [entropy](Self::entropy_bits) of a key where keys have no owner, in bits: 100. Random UUIDs,
    /// ULIDs, KSUIDs, Nano IDs, cuid2s and xids have it.
    pub const MIN_ENTROPY_BITS: u32 = 100;

    /// Makes a key from its text, without quotes and escapes.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the text is empty, blank, too long or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        Self::within(text, Self::MAX_BYTES)
    }

    fn within(text: &str, max_bytes: usize) -> Result<Self, InvalidKey> {
        let printable = |byte: u8| matches!(byte, b' '..=b'~');
        if !text.bytes().all(printable) {
            Err(InvalidKey::Character)
        } else if text.bytes().all(|byte| byte == b' ') {
            Err(InvalidKey::Empty)
        } else if text.len() > max_bytes {
            Err(InvalidKey::TooLong { max_bytes })
        } else {
            Ok(Self(text.into()))
        }
    }

    /// Parses the value of a header.
    ///
    /// # Errors
    ///
    /// Every [`InvalidKey`] except [`Missing`](InvalidKey::Missing) and
    /// [`Repeated`](InvalidKey::Repeated).
    pub fn from_bytes(value: &[u8]) -> Result<Self, InvalidKey> {
        Self::from_bytes_up_to(value, Self::MAX_BYTES)
    }

    fn from_bytes_up_to(value: &[u8], max_bytes: usize) -> Result<Self, InvalidKey> {
        Self::within(&parse::key_text(value)?, max_bytes)
    }

    /// The key of a request, from the header `name`; `None` if there is no such header.
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
    /// Every [`InvalidKey`] except [`Missing`](InvalidKey::Missing).
    pub fn from_headers(
        headers: &HeaderMap,
        name: &HeaderName,
    ) -> Result<Option<Self>, InvalidKey> {
        Self::from_headers_up_to(headers, name, Self::MAX_BYTES)
    }

    /// The key of a request, like [`from_headers`](Self::from_headers), with another maximum length than
    /// [`MAX_BYTES`](Self::MAX_BYTES).
    ///
    /// ```
    /// use http::HeaderMap;
    /// use idempotent_core::http::{IdempotencyKey, InvalidKey};
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert(IdempotencyKey::HEADER, "order-7".parse()?);
    /// let key = |max| IdempotencyKey::from_headers_up_to(&headers, &IdempotencyKey::HEADER, max);
    /// assert_eq!(key(7)?.unwrap().as_str(), "order-7");
    /// assert_eq!(key(6), Err(InvalidKey::TooLong { max_bytes: 6 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`InvalidKey`] except [`Missing`](InvalidKey::Missing).
    pub fn from_headers_up_to(
        headers: &HeaderMap,
        name: &HeaderName,
        max_bytes: usize,
    ) -> Result<Option<Self>, InvalidKey> {
        Self::from_lines(headers.get_all(name).iter().map(HeaderValue::as_bytes), max_bytes)
    }

    /// The key from all lines of the header.
    pub(crate) fn from_lines<'a>(
        mut lines: impl Iterator<Item = &'a [u8]>,
        max_bytes: usize,
    ) -> Result<Option<Self>, InvalidKey> {
        let Some(value) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err(InvalidKey::Repeated);
        }
        Self::from_bytes_up_to(value, max_bytes).map(Some)
    }

    /// The key's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as an RFC 8941 String, as a client sends it.
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
        // Printable ASCII is always a valid header value.
        HeaderValue::try_from(quoted).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The entropy in bits that a key of these characters has if they are random: 4 for each character
    /// of a hexadecimal key, 5.17 for each digit and letter of one case, 5.95 to 6 for each character of a
    /// key with letters of both cases. `-` and `_` count only there. A random UUID counts as 128.
    ///
    /// Where more than a third of the characters follow from the others, only the others count: runs such as
    /// `0000` and `1234`, what was there before, and letters that look like words.
    ///
    /// It guards against accidents: against a client that sends a counter, an invoice's number or a sentence as
    /// its key, where only random keys keep callers apart. It cannot tell random characters from others that
    /// look like them, so it is no defence against a client that *means* to send a key that others can guess.
    /// Give keys a [scope](crate::Operation::scope) for that.
    ///
    /// ```
    /// use idempotent_core::http::IdempotencyKey;
    ///
    /// let bits = |text| IdempotencyKey::new(text).unwrap().entropy_bits();
    /// assert_eq!(bits("8e03978e-40d5-43e8-bc93-6894a57f9324"), 128);
    /// assert!(bits("00000000-0000-7000-8000-000000000001") < 20);
    /// assert!(bits("payment-for-invoice-2026-000123") < IdempotencyKey::MIN_ENTROPY_BITS);
    /// ```
    #[must_use]
    pub fn entropy_bits(&self) -> u32 {
        entropy::bits(&self.0)
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    /// Same as [`IdempotencyKey::new`].
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        Self::new(text)
    }
}

impl TryFrom<&HeaderValue> for IdempotencyKey {
    type Error = InvalidKey;

    /// Same as [`IdempotencyKey::from_bytes`].
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
    const CHOSEN_BY_CLIENT: bool = true;

    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.as_str());
    }

    /// Whether it has less than [`MIN_ENTROPY_BITS`](Self::MIN_ENTROPY_BITS) bits of
    /// [entropy](Self::entropy_bits).
    fn is_guessable(&self) -> bool {
        self.entropy_bits() < Self::MIN_ENTROPY_BITS
    }
}

impl fmt::Debug for IdempotencyKey {
    /// Omits the text: where keys have no scope, whoever knows a key can get its response.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Result<String, InvalidKey> {
        IdempotencyKey::from_bytes(value.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn quoted_and_bare_are_one_key() {
        for (value, text) in [
            ("abc", "abc"),
            (r#""abc""#, "abc"),
            ("  abc\t", "abc"),
            (r#" "abc" "#, "abc"),
            ("abc;a=1", "abc"),
            ("abc ; a", "abc"),
            (r#""abc";a=1;b="x,y""#, "abc"),
            (r#"abc;b="x,y""#, "abc"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r"a\c", r"a\c"),
            (r#""a b""#, "a b"),
            ("a b", "a b"),
            (r#""a,b""#, "a,b"),
            (r#""a;b""#, "a;b"),
            ("123", "123"),
            ("?1", "?1"),
            (":YWJj:", ":YWJj:"),
        ] {
            assert_eq!(key(value), Ok(text.to_owned()), "{value}");
        }
    }

    #[test]
    fn an_invalid_key_says_why() {
        for (value, why) in [
            ("", InvalidKey::Empty),
            (" \t ", InvalidKey::Empty),
            (r#""""#, InvalidKey::Empty),
            (r#""  ""#, InvalidKey::Empty),
            (";a", InvalidKey::Empty),
            ("a,b", InvalidKey::List),
            ("a, a", InvalidKey::List),
            (r#""a", "b""#, InvalidKey::List),
            (r#""a","a""#, InvalidKey::List),
            (r#""a"#, InvalidKey::Syntax),
            (r#"a""#, InvalidKey::Syntax),
            (r#""a"b"#, InvalidKey::Syntax),
            (r#""a\n""#, InvalidKey::Syntax),
            (r#""a";"#, InvalidKey::Syntax),
            ("a;1", InvalidKey::Syntax),
            ("a;A", InvalidKey::Syntax),
            ("a\tb", InvalidKey::Character),
            ("clé", InvalidKey::Character),
            ("\"a\u{7f}\"", InvalidKey::Character),
        ] {
            assert_eq!(key(value), Err(why), "{value}");
        }
        assert_eq!(IdempotencyKey::from_bytes(b"\xff"), Err(InvalidKey::Character));
    }

    #[test]
    fn the_limit_counts_the_key_and_not_how_it_is_written() {
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        assert_eq!(key(&longest), Ok(longest.clone()));
        assert_eq!(key(&format!("\"{longest}\"")), Ok(longest.clone()));
        assert_eq!(key(&format!("\"{}\"", "\\\"".repeat(255))), Ok("\"".repeat(255)));
        let too_long = InvalidKey::TooLong { max_bytes: 255 };
        assert_eq!(key(&longer), Err(too_long));
        assert_eq!(key(&format!("\"{longer}\"")), Err(too_long));
    }
}
