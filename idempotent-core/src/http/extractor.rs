//! The key as an axum extractor.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::{IdempotencyKey, InvalidKey};

/// Extracts the request's key. Responds with 400 if there is none or it is invalid.
///
/// The client chooses it, so the attribute also needs its owner as the `scope`, and the payload as the
/// `fingerprint`. With [`global_scope`](crate::Operation::global_scope) in the place of `scope`, all clients
/// share their keys, and keys that can be guessed are refused.
///
/// ```
/// use axum::{Extension, Router, routing::post};
/// use idempotent_core::{Error, http::IdempotencyKey, idempotent};
///
/// /// Inserted by your authentication.
/// #[derive(Clone)]
/// struct Caller { tenant: String, user: u64 }
///
/// #[idempotent(
///     key = key,
///     scope = (&caller.tenant, caller.user),
///     fingerprint = tea,
///     name = "orders",
///     detach
/// )]
/// async fn order(
///     Extension(caller): Extension<Caller>,
///     key: IdempotencyKey,
///     tea: String,
/// ) -> Result<String, Error> {
///     Ok(format!("{tea} for {}", caller.tenant))
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
