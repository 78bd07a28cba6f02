//! A header's value as a key, and as a scope.

use http::HeaderValue;

use super::IdempotencyKey;
use crate::model::{Key, KeyParts};

/// The bytes of a header. As a key they are what a client chose, so such a key needs an owner; prefer an
/// [`IdempotencyKey`], which takes `"abc"` and `abc` for the same. As a scope they are what a gateway has set: make
/// sure that it removes the header from what clients send.
///
/// ```
/// use http::HeaderValue;
/// use idempotent_core::Operation;
///
/// let tenant = HeaderValue::from_static("acme");
/// let call = Operation::new("shop.pay").scope(tenant).key("order 7");
/// ```
///
/// A key without an owner does not compile:
///
/// ```compile_fail
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use http::HeaderValue;
/// use idempotent_core::Operation;
///
/// let key = HeaderValue::from_static("order 7");
/// let call = Operation::new("shop.pay").key(&key);
/// # }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
impl Key for HeaderValue {
    const CHOSEN_BY_CLIENT: bool = true;
    const CHOSEN_BY_CLIENT_AS_SCOPE: bool = false;

    fn write(&self, parts: &mut KeyParts) {
        parts.push(self.as_bytes());
    }

    /// As [`IdempotencyKey::is_guessable`].
    fn is_guessable(&self) -> bool {
        IdempotencyKey::from_bytes(self.as_bytes()).map_or(true, |key| key.is_guessable())
    }
}
