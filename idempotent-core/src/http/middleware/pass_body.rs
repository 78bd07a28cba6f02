//! What a service inside a layer gets for the body of a request.
//!
//! A body that can be rebuilt is passed on in its own type, so that services inside may name the type. Layers
//! outside may wrap a body into a type that only they can make. Both cannot be told apart by the body's own
//! type, since a trait cannot be implemented for all types with an exception; but by its errors they can.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::read_body::BoxError;
use super::rebuild_body::RebuildBody;
use crate::http::response::ResponseBody;

/// What an [`IdempotencyLayer`](crate::http::IdempotencyLayer) passes on for a request body `B` whose errors are
/// of this type.
///
/// | the errors of the body | for instance | what is passed on |
/// |---|---|---|
/// | `axum::Error`, `tonic::Status`, `std::io::Error`, `Infallible` | axum's `Body`, `Full<Bytes>` | the same type, which has to be a [`RebuildBody`] |
/// | `Box<dyn Error + Send + Sync>` | what `RequestBodyLimitLayer`, `RequestDecompressionLayer` and `RequestBodyTimeoutLayer` make, `Limited`, `Either` | a [`RequestBody`] |
///
/// For errors of your own, implement it:
///
/// ```
/// use bytes::Bytes;
/// use idempotent_core::http::{PassBody, RebuildBody};
///
/// # #[derive(Debug)]
/// struct UploadError;
///
/// impl<B: RebuildBody<Error = Self>> PassBody<B> for UploadError {
///     type Passed = B;
///
///     fn pass(body: B) -> B {
///         body
///     }
///
///     fn rebuild(bytes: Bytes) -> B {
///         B::rebuild(bytes)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "an idempotency layer cannot pass on the request body `{B}`, whose errors are `{Self}`",
    label = "this type of errors is not known",
    note = "put `tower_http::map_request_body::MapRequestBodyLayer::new(axum::body::Body::new)` right outside \
            of the idempotency layer",
    note = "or implement `idempotent_core::http::PassBody` for errors of your own"
)]
pub trait PassBody<B: Body> {
    /// The body that the service inside gets.
    type Passed: Body;

    /// Passes on a body that the layer has not read, because the request is not guarded.
    fn pass(body: B) -> Self::Passed;

    /// Passes on what the layer has read.
    fn rebuild(bytes: Bytes) -> Self::Passed;
}

impl<B: Body<Error = Self>> PassBody<B> for BoxError {
    type Passed = RequestBody<B>;

    fn pass(body: B) -> RequestBody<B> {
        RequestBody { body: ResponseBody::inner(body) }
    }

    fn rebuild(bytes: Bytes) -> RequestBody<B> {
        RequestBody { body: bytes.into() }
    }
}

macro_rules! pass_in_its_own_type {
    ($($(#[$attribute:meta])* $error:ty,)*) => {$(
        $(#[$attribute])*
        impl<B: RebuildBody<Error = Self>> PassBody<B> for $error {
            type Passed = B;

            fn pass(body: B) -> B {
                body
            }

            fn rebuild(bytes: Bytes) -> B {
                B::rebuild(bytes)
            }
        }
    )*};
}

pass_in_its_own_type! {
    Infallible,
    std::io::Error,
    #[cfg(feature = "axum")]
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    axum::Error,
    #[cfg(feature = "tonic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
    tonic::Status,
}

pin_project_lite::pin_project! {
    /// The body of a request that passed through an [`IdempotencyLayer`](crate::http::IdempotencyLayer), if a
    /// layer outside has wrapped it: that body, or what was read of it.
    pub struct RequestBody<B: Body> {
        #[pin]
        body: ResponseBody<B>,
    }
}

impl<B: Body> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: Body> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
