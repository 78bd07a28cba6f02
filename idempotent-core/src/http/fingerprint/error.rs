//! Why a request has no fingerprint.

use std::fmt;

/// A fingerprint's payload could not be serialized.
#[derive(Debug)]
pub struct FingerprintError(pub(super) rmp_serde::encode::Error);

impl fmt::Display for FingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the payload of the request's fingerprint cannot be serialized")
    }
}

impl std::error::Error for FingerprintError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
