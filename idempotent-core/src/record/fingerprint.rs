//! The digest of a call's payload. How a value becomes one is in [`crate::codec`].

use std::fmt;

/// The digest of a call's payload: the same for equal payloads, another for different ones.
///
/// A call that finds its key recorded with another fingerprint is refused with
/// [`ErrorKind::FingerprintMismatch`](crate::ErrorKind::FingerprintMismatch). The digest is 32
/// bytes of BLAKE3, keyed when the engine has a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint with these bytes.
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
