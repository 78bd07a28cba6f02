//! The `Idempotency-Key` header over HTTP: a tower layer and its parts.
//!
//! * [`IdempotencyLayer`] guards whole services of axum, hyper or any tower stack.
//! * [`IdempotencyKey`] is the parsed header. With feature `axum` it is an extractor for handlers with
//!   the attribute.
//! * [`RequestFingerprint`] says what makes two requests the same request.
//! * [`Problem`] is the response to a refused request, and [`problems`] documents each one for clients.
//! * [`StoredResponse`] is the form in which responses are stored.
//!
#![doc = include_str!("../../docs/idempotency_key.md")]

mod disposition;
mod exchange;
#[cfg(feature = "axum")]
mod extractor;
mod fingerprint;
pub(crate) mod framing;
mod gathered;
#[cfg(feature = "axum")]
mod handler_call;
#[cfg(feature = "axum")]
mod into_response;
mod key;
mod media_type;
mod middleware;
mod problem;
mod response;

pub use self::disposition::{ServerErrors, disposition_of};
pub use self::fingerprint::{FingerprintError, RequestFingerprint};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::handler_call::HandlerCall;
pub use self::key::{IdempotencyKey, InvalidKey};
pub use self::middleware::{
    IdempotencyLayer, IdempotencyService, LayerWithoutScope, PassBody, RebuildBody, RequestBody,
    ResponseFuture,
};
pub use self::problem::{PROBLEM_TYPES, Problem};
#[cfg(feature = "tonic")]
pub(crate) use self::response::StrippedHeaders;
#[cfg(feature = "tonic")]
pub(crate) use self::response::is_of_connection;
pub use self::response::{ResponseBody, StoredResponse};

#[doc = include_str!("../../docs/problems.md")]
pub mod problems {}
