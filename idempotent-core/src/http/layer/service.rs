//! The service that a layer makes of another one.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::flight::Flight;
use super::future::ResponseFuture;
use super::guard::Guard;
use super::settings::{Kind, Settings};
use crate::http::BoxError;
use crate::http::response::ResponseBody;

/// A service whose guarded requests take effect once per key. An
/// [`IdempotencyLayer`](super::IdempotencyLayer) makes it.
#[derive(Clone, Debug)]
pub struct IdempotencyService<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What a layer and its services share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) flight: Arc<Flight>,
    pub(super) warned_of_grpc: Arc<AtomicBool>,
}

impl<S> IdempotencyService<S> {
    pub(super) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }
}

impl Shared {
    fn warn_of_grpc(&self) {
        if !self.warned_of_grpc.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                operation = self.settings.operation.name,
                "gRPC passes unguarded, since its status is in trailers: use the attribute on the \
                 methods of the service"
            );
        }
    }
}

impl<S, B, R> Service<Request<B>> for IdempotencyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body + From<Bytes> + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    R: Body + Send + 'static,
    R::Data: Send,
    R::Error: Send,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.shared.settings.kind(&request) {
            Kind::Unguarded => ResponseFuture::passing(self.inner.call(request)),
            Kind::Grpc => {
                self.shared.warn_of_grpc();
                ResponseFuture::passing(self.inner.call(request))
            }
            Kind::Refused(problem) => ResponseFuture::refused(self.shared.settings.answer(problem)),
            Kind::Guarded(key) => {
                // The one that is ready goes, and its clone stays.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                let guard = Guard { inner, shared: Arc::clone(&self.shared) };
                ResponseFuture::guarded(guard.run(key, request))
            }
        }
    }
}
