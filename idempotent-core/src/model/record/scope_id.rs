//! [`ScopeId`]: the identity of a scope, for those who count by scope.

use std::fmt;

/// The identity of a scope: of the tenant or user that keys belong to.
///
/// It is a BLAKE3 hash of the scope's parts, keyed if the engine has a
/// [secret](crate::IdempotencyBuilder::secret), so a store that counts by scope need not know who its tenants
/// are. The same scope has the same identity in all operations.
///
/// ```
/// use idempotent_core::model::ScopeId;
///
/// assert_eq!(ScopeId::of(&"tenant-1")?, ScopeId::of(&"tenant-1")?);
/// assert_ne!(ScopeId::of(&"tenant-1")?, ScopeId::of(&"tenant-2")?);
/// # Ok::<(), idempotent_core::model::InvalidRecordId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(super) [u8; 16]);

impl ScopeId {
    /// Makes an identity from its bytes, as a store keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The identity's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ScopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeId({self})")
    }
}
