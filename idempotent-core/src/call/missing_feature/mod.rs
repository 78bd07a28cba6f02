//! What the attribute's flags call if their feature is off, so that a flag causes one error, at the
//! flag, that names the feature. If the feature is on, the methods are those of `http` and `grpc`.

#[cfg(not(feature = "axum"))]
mod axum;
#[cfg(not(feature = "tonic"))]
mod tonic;

#[cfg(not(feature = "axum"))]
pub use self::axum::Response;
