//! How a [`ScopeId`] is made of a scope.

use super::id::{InvalidRecordId, Secret};
use super::scope_id::ScopeId;
use crate::model::key::{InlineBytes, Key, KeyParts};

/// Comes first in the hashed form. The forms of [`RecordId`](super::RecordId) begin otherwise.
const DOMAIN: &[u8] = b"\0scope1";

impl ScopeId {
    /// The identity of a scope in an engine without a secret.
    ///
    /// # Errors
    ///
    /// [`InvalidRecordId`] if the scope, or a part of it, is empty or `None`.
    pub fn of(scope: &(impl Key + ?Sized)) -> Result<Self, InvalidRecordId> {
        Ok(Self::from_parts(&KeyParts::of(scope).map_err(InvalidRecordId::from)?, None))
    }

    pub(crate) fn from_parts(scope: &KeyParts, secret: Option<&Secret>) -> Self {
        let mut input = InlineBytes::<64>::new();
        input.extend(DOMAIN);
        input.extend(scope.encoded());
        let hash = match secret {
            None => blake3::hash(input.as_slice()),
            Some(Secret(secret)) => blake3::keyed_hash(secret, input.as_slice()),
        };
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of two versions count the same rows.
    #[test]
    fn the_identity_of_a_scope_is_the_same_in_every_version() {
        let scope = ScopeId::of(&"tenant-1").unwrap();
        assert_eq!(scope.to_string(), "f2988f983d47d5ca496c8d73a939c0db");
    }

    #[test]
    fn a_secret_changes_the_identity() {
        let parts = KeyParts::of(&"tenant-1").unwrap();
        let secret = Secret([7; 32]);
        assert_ne!(ScopeId::from_parts(&parts, None), ScopeId::from_parts(&parts, Some(&secret)));
    }
}
