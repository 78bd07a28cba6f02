//! A record's identity: a hash over operation name, scope and key.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use smallvec::SmallVec;

use crate::key::{Key, KeyParts, KeyProblem, push_prefixed};

/// The longest operation name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Changes whenever the hashed form below changes, so that two layouts never collide.
const LAYOUT: u8 = 1;

/// The identity of one record, shown as `{operation}:{hex}`.
///
/// It is a BLAKE3 hash over the operation's name, the scope and the parts of the key, each
/// length-prefixed, so `("a:b", "c")` and `("a", "b:c")` stay apart. Bytes that users control
/// never reach a store's key. An engine with a [secret](crate::Builder::secret) keys the hash; ask
/// [`Idempotency::record_id`](crate::Idempotency::record_id) for its ids.
///
/// ```
/// use idempotent_core::RecordId;
///
/// let id = RecordId::of("shop::charge", None, &("order:", 42))?;
/// assert_eq!(id.operation(), "shop::charge");
/// assert_eq!(id.to_string().parse::<RecordId>()?, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RecordId {
    operation: Cow<'static, str>,
    hash: [u8; 32],
}

/// Why something is not a [`RecordId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecordId(Cow<'static, str>);

/// The key of an engine's keyed hash.
#[derive(Clone, Copy)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl RecordId {
    /// The id that an engine without a secret gives this operation, scope and key.
    ///
    /// A key string of the attribute is the tuple of its pieces: `"order:{order.id}"` is
    /// `("order:", order.id)`.
    ///
    /// # Errors
    ///
    /// If the name, the scope or the key is none: an empty part, a `None`, a name of over 128
    /// bytes.
    pub fn of(
        operation: impl Into<Cow<'static, str>>,
        scope: Option<&dyn Key>,
        key: &(impl Key + ?Sized),
    ) -> Result<Self, InvalidRecordId> {
        Self::keyed(operation.into(), scope, key, None)
    }

    pub(crate) fn keyed(
        operation: Cow<'static, str>,
        scope: Option<&dyn Key>,
        key: &(impl Key + ?Sized),
        secret: Option<&Secret>,
    ) -> Result<Self, InvalidRecordId> {
        if let Some(fault) = name_fault(&operation) {
            return Err(InvalidRecordId(fault.into()));
        }
        let scope = scope.map(KeyParts::of).transpose().map_err(InvalidRecordId::from)?;
        let key = KeyParts::of(key).map_err(InvalidRecordId::from)?;
        Ok(Self::from_parts(operation, scope.as_ref(), &key, secret))
    }

    pub(crate) fn from_parts(
        operation: Cow<'static, str>,
        scope: Option<&KeyParts>,
        key: &KeyParts,
        secret: Option<&Secret>,
    ) -> Self {
        // One buffer and one call: most identities fit one or two of BLAKE3's 64-byte blocks, and
        // its incremental hasher costs more to set up than they cost to hash.
        let mut input = SmallVec::<[u8; 128]>::new();
        input.push(LAYOUT);
        push_prefixed(&mut input, operation.as_bytes());
        match scope {
            None => input.push(0),
            Some(scope) => {
                input.push(1);
                push_prefixed(&mut input, scope.encoded());
            }
        }
        input.extend_from_slice(key.encoded());
        let hash = match secret {
            None => blake3::hash(&input),
            Some(Secret(secret)) => blake3::keyed_hash(secret, &input),
        };
        Self { operation, hash: hash.into() }
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The hash alone. It covers the operation's name, so it identifies the record by itself.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The id of a record whose operation and hash are known, as a store knows them.
    ///
    /// # Errors
    ///
    /// If `operation` is not a name that an operation may carry.
    pub fn from_hash(
        operation: impl Into<Cow<'static, str>>,
        hash: [u8; 32],
    ) -> Result<Self, InvalidRecordId> {
        let operation = operation.into();
        match name_fault(&operation) {
            None => Ok(Self { operation, hash }),
            Some(fault) => Err(InvalidRecordId(fault.into())),
        }
    }
}

/// What is wrong with an operation's name, if anything.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("an operation's name must not be empty")
    } else if name.len() > MAX_NAME_BYTES {
        Some("an operation's name has at most 128 bytes")
    } else if name.contains(|c: char| matches!(c, '{' | '}') || c.is_control() || c.is_whitespace())
    {
        Some("an operation's name has no braces, spaces or control characters")
    } else {
        None
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = blake3::Hash::from_bytes(self.hash);
        write!(f, "{}:{}", self.operation, hash.to_hex())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

impl FromStr for RecordId {
    type Err = InvalidRecordId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed =
            || InvalidRecordId("a record id is written `operation:64 hex digits`".into());
        let (operation, hex) = text.rsplit_once(':').ok_or_else(malformed)?;
        let hash = blake3::Hash::from_hex(hex).map_err(|_| malformed())?;
        Self::from_hash(operation.to_owned(), hash.into())
    }
}

impl From<KeyProblem> for InvalidRecordId {
    fn from(problem: KeyProblem) -> Self {
        Self(problem.as_str().into())
    }
}

impl fmt::Display for InvalidRecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidRecordId {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of two versions share records, so the identity of a key never changes.
    #[test]
    fn the_identity_of_a_key_is_the_same_in_every_version() {
        let id = RecordId::of("shop::charge", Some(&"tenant-1"), &("order:", 42_u64)).unwrap();
        assert_eq!(
            id.to_string(),
            "shop::charge:5c83260fbd0039e784c51bbf3ef9357dc12b007361b7e907647e4ca2735d1494"
        );
    }

    #[test]
    fn names_scopes_and_parts_do_not_run_together() {
        let ids = [
            RecordId::of("a", None, &"b").unwrap(),
            RecordId::of("a", Some(&"b"), &"b").unwrap(),
            RecordId::of("ab", None, &"b").unwrap(),
            RecordId::of("a", None, &("b", "b")).unwrap(),
            RecordId::of("a", None, &"bb").unwrap(),
            RecordId::of("a", Some(&("b", "c")), &"d").unwrap(),
            RecordId::of("a", Some(&"b"), &("c", "d")).unwrap(),
            RecordId::of("a", None, &("a:b", ":", "c")).unwrap(),
            RecordId::of("a", None, &("a", ":", "b:c")).unwrap(),
        ];
        for (i, left) in ids.iter().enumerate() {
            for right in &ids[i + 1..] {
                assert_ne!(left, right);
            }
        }
    }

    #[test]
    fn long_parts_keep_their_length() {
        let long = "x".repeat(300);
        assert_ne!(
            RecordId::of("a", None, &(long.as_str(), "y")).unwrap(),
            RecordId::of("a", None, &format!("{long}y")).unwrap(),
        );
    }

    #[test]
    fn a_name_that_would_be_a_hash_tag_is_refused() {
        for name in ["", "a{b}", "a b", "a\n", &"x".repeat(129)] {
            assert!(RecordId::of(name.to_owned(), None, &"k").is_err(), "{name:?}");
        }
    }
}
