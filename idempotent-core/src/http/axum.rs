//! axum: the key as an extractor, and refusals as responses.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use super::{IdempotencyKey, InvalidKey, Problem};
use crate::Error;

/// The request's key, or 400.
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
impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = InvalidKey;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, InvalidKey> {
        found(parts)?.ok_or(InvalidKey::Missing)
    }
}

/// The request's key, `None` where there is none, or 400 for a header that is not a key.
impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = InvalidKey;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, InvalidKey> {
        found(parts)
    }
}

/// The key that a layer found, which knows its header's name, or the header's.
fn found(parts: &Parts) -> Result<Option<IdempotencyKey>, InvalidKey> {
    match parts.extensions.get::<IdempotencyKey>() {
        Some(key) => Ok(Some(key.clone())),
        None => IdempotencyKey::from_headers(&parts.headers, &IdempotencyKey::HEADER),
    }
}

impl IntoResponse for InvalidKey {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

/// The error as a [`Problem`], with nothing of its details. One that the service is to blame for
/// is logged.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.status() >= 500 {
            tracing::warn!(
                error = &self as &dyn std::error::Error,
                "an idempotent call is refused"
            );
        }
        Problem::from(&self).into_response::<Body>()
    }
}
