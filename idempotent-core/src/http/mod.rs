//! The `Idempotency-Key` header over HTTP: a tower layer on `http` types, and its parts.
//!
//! * [`IdempotencyLayer`] guards whole services, for axum, hyper or any tower stack.
//! * [`IdempotencyKey`] is the header; with feature `axum` it is an extractor, for handlers under
//!   the attribute.
//! * [`RequestFingerprint`] says what makes two requests the same one.
//! * [`Problem`] is how a refusal is answered, and [`problems`] what clients read about it.
//! * [`StoredResponse`] is what is kept.
//!
//! A server that does not use axum needs one body type for both directions that can be made of bytes,
//! such as `http_body_util::Full<Bytes>` or `axum::body::Body`: the layer reads a body to compare it, and
//! passes it on.
//!
#![doc = include_str!("../../docs/idempotency_key.md")]

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
mod axum;
mod fingerprint;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
mod handler;
mod key;
mod layer;
pub(crate) mod lines;
mod onward;
mod problem;
mod response;

pub use self::fingerprint::{NoFingerprint, RequestFingerprint};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::handler::HandlerCall;
pub use self::key::{IdempotencyKey, InvalidKey};
pub use self::layer::{
    IdempotencyLayer, IdempotencyService, LayerWithoutScope, ResponseFuture, disposition_of,
};
pub use self::problem::{PROBLEM_TYPES, Problem};
#[cfg(feature = "tonic")]
pub(crate) use self::response::DroppedHeaders;
pub use self::response::{ResponseBody, StoredResponse};

#[doc = include_str!("../../docs/problems.md")]
pub mod problems {}

/// Any error, as bodies give them.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
