//! A value of gRPC metadata as a key, and as a scope.

use tonic::metadata::{Ascii, MetadataValue};

use crate::http::IdempotencyKey;
use crate::model::{Key, KeyParts};

/// The bytes of a value, as they were sent. As a key they are what a client chose, so such a key needs an owner; prefer
/// [`key`](super::key). As a scope they are what a gateway has set: make sure that it removes the entry from what
/// clients send.
///
/// ```
/// use idempotent_core::Operation;
/// use tonic::metadata::MetadataValue;
///
/// let tenant = MetadataValue::from_static("acme");
/// let call = Operation::new("shop.pay").scope(tenant).key("order 7");
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
impl Key for MetadataValue<Ascii> {
    const CHOSEN_BY_CLIENT: bool = true;
    const CHOSEN_BY_CLIENT_AS_SCOPE: bool = false;

    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.as_encoded_bytes());
    }

    /// As [`IdempotencyKey::is_guessable`].
    fn is_guessable(&self) -> bool {
        let key = IdempotencyKey::from_bytes(self.as_encoded_bytes());
        key.map_or(true, |key| key.is_guessable())
    }
}
