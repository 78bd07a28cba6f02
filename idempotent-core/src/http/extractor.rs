//! The key as an axum extractor.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::{IdempotencyKey, InvalidKey};

/// Extracts the request's key. Responds with 400 if there is none or it is invalid.
///
/// ```
/// use axum::{Router, routing::post};
/// use idempotent_core::{Error, http::IdempotencyKey, idempotent};
///
/// #[idempotent(key = key, name = "orders", detach)]
/// async fn order(key: IdempotencyKey) -> Result<String, Error> {
///     Ok("order 1".to_owned())
/// }
///
/// let router: Router = Router::new().route("/orders", post(order));
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = InvalidKey;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, InvalidKey> {
        request_key(parts)?.ok_or(InvalidKey::Missing)
    }
}

/// Extracts the request's key, or `None` if there is none. Responds with 400 if it is invalid.
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = InvalidKey;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, InvalidKey> {
        request_key(parts)
    }
}

/// The key that an outer layer parsed, which may use another header, or else the header's.
fn request_key(parts: &Parts) -> Result<Option<IdempotencyKey>, InvalidKey> {
    match parts.extensions.get::<IdempotencyKey>() {
        Some(key) => Ok(Some(key.clone())),
        None => IdempotencyKey::from_headers(&parts.headers, &IdempotencyKey::HEADER),
    }
}
