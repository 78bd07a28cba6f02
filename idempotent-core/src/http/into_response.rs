//! Errors and problems as axum responses.

use axum::body::Body;
use axum::response::{IntoResponse, Response};

use super::{InvalidKey, Problem};
use crate::Error;

#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}

#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl IntoResponse for InvalidKey {
    fn into_response(self) -> Response {
        Problem::from(self).into_response::<Body>()
    }
}

/// Responds with a [`Problem`] that reveals no details, and logs an error that is the service's fault.
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
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
