//! [`DerivedKey`]: keys for other systems, derived from a record's identity.

use std::fmt;

use super::RecordId;
use crate::model::uuid_text;

/// The context of the hash below. It changes whenever the hashed form does.
const CONTEXT: &str = "idempotent-core 2026-11 derived idempotency keys, layout 1";

/// An idempotency key for another system, derived from a [`RecordId`]: a UUID of version 8.
///
/// It depends only on the record's identity and a label, not on the attempt, the process or the
/// time. A call that crashed halfway and runs again therefore sends the same keys, so another
/// system that honors them applies each request once.
///
/// Anyone who knows a record's id can compute its derived keys, and anyone who can guess a key can
/// compute its record's id. A [secret](crate::IdempotencyBuilder::secret) prevents the latter.
///
/// ```
/// use idempotent_core::model::RecordId;
///
/// let order = RecordId::of("shop::charge", None, &("order:", 42))?;
/// let key = order.derive("stripe");
/// assert_eq!(key, order.derive("stripe"));
/// assert_ne!(key, order.derive("paypal"));
/// assert_eq!(key.to_string().len(), 36);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DerivedKey([u8; 16]);

impl DerivedKey {
    /// The key's bytes, in the order of its text.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The label comes last, so different inputs never hash the same bytes.
    pub(in crate::model) fn of(hash: &[u8; 32], nth: Option<u32>, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(hash);
        match nth {
            None => hasher.update(&[0]),
            Some(nth) => hasher.update(&[1]).update(&nth.to_le_bytes()),
        };
        hasher.update(label.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }
}

impl RecordId {
    /// The key that this record's call sends to the system called `label`: what
    /// [`CurrentCall::derive`](crate::engine::CurrentCall::derive) returns inside the call. A
    /// reconciliation job can use it to ask a provider what became of an indeterminate call.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        DerivedKey::of(self.hash(), None, label)
    }

    /// The key that [`CurrentCall::derive_next`](crate::engine::CurrentCall::derive_next) returns
    /// inside this record's call for the nth request to `label`, counting from 0.
    #[must_use]
    pub fn derive_nth(&self, label: &str, nth: u32) -> DerivedKey {
        DerivedKey::of(self.hash(), Some(nth), label)
    }
}

impl fmt::Display for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid_text::write(&self.0, f)
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DerivedKey({self})")
    }
}

#[cfg(feature = "uuid")]
#[cfg_attr(docsrs, doc(cfg(feature = "uuid")))]
impl From<DerivedKey> for uuid::Uuid {
    fn from(key: DerivedKey) -> Self {
        Self::from_bytes(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(number: u32) -> RecordId {
        RecordId::of("shop::charge", None, &("order:", number)).unwrap()
    }

    /// A call that crashed under one version runs again under the next.
    #[test]
    fn the_keys_of_a_record_are_the_same_in_every_version() {
        assert_eq!(order(42).derive("stripe").to_string(), "ab833106-8922-83d0-bc92-25d64d37cef3");
        assert_eq!(
            order(42).derive_nth("stripe", 1).to_string(),
            "31d34e88-08bb-8051-bd5e-9b061ca9273d"
        );
    }

    #[test]
    fn records_labels_and_turns_do_not_run_together() {
        let keys = [
            order(42).derive(""),
            order(42).derive("a"),
            order(42).derive("\0\0\0\0a"),
            order(42).derive_nth("a", 0),
            order(42).derive_nth("a", 1),
            order(42).derive_nth("", 97),
            order(43).derive("a"),
        ];
        for (i, left) in keys.iter().enumerate() {
            assert!(keys[i + 1..].iter().all(|right| left != right), "{left}");
        }
    }

    #[cfg(feature = "uuid")]
    #[test]
    fn it_is_a_uuid_of_version_8() {
        let key = order(42).derive("stripe");
        let uuid = uuid::Uuid::from(key);
        assert_eq!(uuid.get_version_num(), 8);
        assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(uuid.to_string(), key.to_string());
    }
}
