//! [`Fingerprint`]: the digest of a call's payload. [`crate::codec`] computes it.

use std::fmt;

/// The digest of a call's payload: equal payloads have equal fingerprints, different payloads
/// different ones.
///
/// A call whose key was recorded with another fingerprint is refused with
/// [`ErrorKind::FingerprintMismatch`](crate::ErrorKind::FingerprintMismatch). A fingerprint has 32
/// bytes: a BLAKE3 hash, keyed if the engine has a secret, or the caller's own
/// [digest](crate::call::CallBuilder::fingerprint_digest).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Makes a fingerprint from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The fingerprint's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(")?;
        for byte in &self.0[..4] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}
