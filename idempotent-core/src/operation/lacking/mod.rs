//! What the attribute's flags call where their feature is off, so that a flag is one error, at its
//! place, that names the feature. With the feature the methods are those of `http` and `grpc`.

#[cfg(not(feature = "axum"))]
mod axum;
#[cfg(not(feature = "tonic"))]
mod tonic;

#[cfg(not(feature = "axum"))]
pub use self::axum::Response;
