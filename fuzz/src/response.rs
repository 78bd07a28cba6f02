//! What must hold of any bytes that a store gives back as a stored response.

use idempotent_core::call::BinaryResult;
use idempotent_core::http::StoredResponse;

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(stored) = StoredResponse::decode(bytes) else { return };
    assert!((100..=999).contains(&stored.status().as_u16()), "{stored:?}");
    let mut encoded = Vec::new();
    stored.encode(&mut encoded);
    let decoded = StoredResponse::decode(&encoded);
    assert_eq!(decoded.as_ref(), Ok(&stored), "it comes back as it was");
    let mut again = Vec::new();
    stored.encode(&mut again);
    assert_eq!(again, encoded, "it has one encoding");
}
