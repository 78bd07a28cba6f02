//! [`RecordId`]: a record's identity, a hash of the operation's name, the scope and the key.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use super::scope_id::ScopeId;
use crate::model::key::{AnyKey, InlineBytes, Key, KeyParts, KeyProblem};

/// The longest operation name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Changes whenever the hashed form below changes, so that ids of two layouts never collide.
const LAYOUT: u8 = 1;

/// The identity of one record, displayed as `{operation}:{hex}`.
///
/// It is a BLAKE3 hash of the operation's name, the scope and the parts of the key, each prefixed
/// with its length, so `("a:b", "c")` and `("a", "b:c")` have different ids. A store's keys never
/// contain bytes that users control. An engine with a [secret](crate::IdempotencyBuilder::secret)
/// uses a keyed hash; [`Idempotency::record_id`](crate::Idempotency::record_id) returns its ids.
///
/// ```
/// use idempotent_core::model::RecordId;
///
/// let id = RecordId::of("shop::charge", None, &("order:", 42))?;
/// assert_eq!(id.operation(), "shop::charge");
/// assert_eq!(id.to_string().parse::<RecordId>()?, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RecordId {
    operation: Cow<'static, str>,
    hash: [u8; 32],
    /// No part of the identity, since the hash covers the scope already.
    scope: Option<ScopeId>,
}

/// Why a name, a key or a text does not make a [`RecordId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRecordId(Cow<'static, str>);

/// The key of an engine's keyed hash.
#[derive(Clone, Copy)]
pub(crate) struct Secret(pub(crate) [u8; 32]);

impl RecordId {
    /// The id of this operation, scope and key in an engine without a secret.
    ///
    /// The attribute's key string `"order:{order.id}"` is a tuple of its pieces, `("order:",
    /// order.id)`.
    ///
    /// # Errors
    ///
    /// [`InvalidRecordId`] if the name is invalid, or if the scope or the key is empty or `None`,
    /// or has a part that is.
    pub fn of(
        operation: impl Into<Cow<'static, str>>,
        scope: Option<&dyn AnyKey>,
        key: &(impl Key + ?Sized),
    ) -> Result<Self, InvalidRecordId> {
        Self::keyed(operation.into(), scope, key, None)
    }

    pub(crate) fn keyed(
        operation: Cow<'static, str>,
        scope: Option<&dyn AnyKey>,
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
        // One buffer and one call: most identities fit in one or two of BLAKE3's 64-byte blocks,
        // and its incremental hasher costs more to set up than they cost to hash.
        let mut input = InlineBytes::<128>::new();
        input.push(LAYOUT);
        input.push_prefixed(operation.as_bytes());
        match scope {
            None => input.push(0),
            Some(scope) => {
                input.push(1);
                input.push_prefixed(scope.encoded());
            }
        }
        input.extend(key.encoded());
        let hash = match secret {
            None => blake3::hash(input.as_slice()),
            Some(Secret(secret)) => blake3::keyed_hash(secret, input.as_slice()),
        };
        Self { operation, hash: hash.into(), scope: None }
    }

    /// The scope that the record counts for, if its engine counts by scope:
    /// see [`Store::scope_use`](crate::store::Store::scope_use). An id that was read from a text or a hash has none.
    #[must_use]
    pub const fn scope(&self) -> Option<&ScopeId> {
        self.scope.as_ref()
    }

    /// Says which scope the record counts for. It does not change the identity.
    ///
    /// ```
    /// use idempotent_core::model::{RecordId, ScopeId};
    ///
    /// let id = RecordId::of("shop::charge", Some(&"tenant-1"), &42)?;
    /// let counted = id.clone().counted_for(Some(ScopeId::of(&"tenant-1")?));
    /// assert_eq!(counted, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn counted_for(mut self, scope: Option<ScopeId>) -> Self {
        self.count_for(scope);
        self
    }

    pub(crate) fn count_for(&mut self, scope: Option<ScopeId>) {
        self.scope = scope;
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// The hash. It covers the operation's name, so it identifies the record by itself.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Makes an id from an operation's name and a hash, as a store keeps them.
    ///
    /// # Errors
    ///
    /// [`InvalidRecordId`] if `operation` is not a valid name of an operation.
    pub fn from_hash(
        operation: impl Into<Cow<'static, str>>,
        hash: [u8; 32],
    ) -> Result<Self, InvalidRecordId> {
        let operation = operation.into();
        match name_fault(&operation) {
            None => Ok(Self { operation, hash, scope: None }),
            Some(fault) => Err(InvalidRecordId(fault.into())),
        }
    }
}

/// What is wrong with an operation's name, if anything.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("an operation's name must not be empty")
    } else if name.len() > MAX_NAME_BYTES {
        Some("an operation's name must not exceed 128 bytes")
    } else if name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}')) {
        // Nearly every name, and every step checks one.
        None
    } else if name.contains(|c: char| matches!(c, '{' | '}') || c.is_control() || c.is_whitespace())
    {
        Some("an operation's name must not contain braces, whitespace or control characters")
    } else {
        None
    }
}

impl PartialEq for RecordId {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.operation == other.operation
    }
}

impl Eq for RecordId {}

impl Hash for RecordId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.operation.hash(state);
        self.hash.hash(state);
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
        let malformed = || {
            InvalidRecordId(
                "a record id must have the form `operation:hash`, the hash in 64 hex digits".into(),
            )
        };
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

    /// Processes of two versions share records, so the identity of a key must never change.
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
