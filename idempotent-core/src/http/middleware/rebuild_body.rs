//! Bodies of requests that can be made of bytes.

use bytes::Bytes;
use http_body::Body;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Full};

/// The body of a request that can be made of bytes.
///
/// An [`IdempotencyLayer`](crate::http::IdempotencyLayer) reads the body of a request that it guards, and
/// passes on one of the same type with the same bytes. This is implemented for axum's and tonic's bodies, and
/// for those of `http-body-util` that can hold bytes. Bodies whose errors are boxed, as tower-http's layers make
/// them, need not be rebuilt: see [`PassBody`](crate::http::PassBody). Implement it for a body of your own:
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use idempotent_core::http::RebuildBody;
/// # use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
///
/// struct Audited(Full<Bytes>);
///
/// impl RebuildBody for Audited {
///     fn rebuild(bytes: Bytes) -> Self {
///         Self(Full::new(bytes))
///     }
/// }
/// # impl http_body::Body for Audited {
/// #     type Data = Bytes;
/// #     type Error = Infallible;
/// #     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>)
/// #         -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
/// #         Pin::new(&mut self.0).poll_frame(cx)
/// #     }
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "an idempotency layer cannot pass on the request body `{Self}` after it has read it",
    label = "this body cannot be made of bytes",
    note = "put `tower_http::map_request_body::MapRequestBodyLayer::new(axum::body::Body::new)` right outside \
            of the idempotency layer",
    note = "or implement `idempotent_core::http::RebuildBody` for a body of your own"
)]
pub trait RebuildBody: Body {
    /// A body that yields these bytes.
    fn rebuild(bytes: Bytes) -> Self;
}

impl RebuildBody for Full<Bytes> {
    fn rebuild(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
impl RebuildBody for axum::body::Body {
    fn rebuild(bytes: Bytes) -> Self {
        Self::from(bytes)
    }
}

#[cfg(feature = "tonic")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic")))]
impl RebuildBody for tonic::body::Body {
    fn rebuild(bytes: Bytes) -> Self {
        Self::new(Full::new(bytes))
    }
}

impl<E: 'static> RebuildBody for BoxBody<Bytes, E> {
    fn rebuild(bytes: Bytes) -> Self {
        Full::new(bytes).map_err(|never| match never {}).boxed()
    }
}

impl<E: 'static> RebuildBody for UnsyncBoxBody<Bytes, E> {
    fn rebuild(bytes: Bytes) -> Self {
        Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
    }
}
