//! The service that a layer makes.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::future::ResponseFuture;
use super::guarded_request;
use super::pass_body::PassBody;
use super::read_body::BoxError;
use super::request_kind::RequestKind;
use super::state::LayerState;
use crate::http::response::ResponseBody;

/// A service whose guarded requests take effect once per key. An
/// [`IdempotencyLayer`](super::IdempotencyLayer) makes it.
#[derive(Clone, Debug)]
pub struct IdempotencyService<S> {
    inner: S,
    state: Arc<LayerState>,
}

impl<S> IdempotencyService<S> {
    pub(super) fn new(inner: S, state: Arc<LayerState>) -> Self {
        Self { inner, state }
    }
}

/// The body that the inner service gets.
type Passed<B> = <<B as Body>::Error as PassBody<B>>::Passed;

impl<S, B, R> Service<Request<B>> for IdempotencyService<S>
where
    S: Service<Request<Passed<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body<Error: PassBody<B> + Into<BoxError>> + Send + 'static,
    B::Data: Send,
    Passed<B>: Send + 'static,
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
        let settings = &self.state.settings;
        match RequestKind::of(&request, settings) {
            RequestKind::Unguarded => {
                ResponseFuture::passing(self.inner.call(request.map(B::Error::pass)))
            }
            RequestKind::UnguardedGrpc => {
                self.state.warn_of_grpc();
                ResponseFuture::passing(self.inner.call(request.map(B::Error::pass)))
            }
            RequestKind::Refused(problem) => {
                ResponseFuture::refused(settings.problem_response(problem))
            }
            RequestKind::Guarded(key) => {
                // Takes the service that `poll_ready` made ready, and leaves a clone in its place.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                let state = Arc::clone(&self.state);
                ResponseFuture::guarded(guarded_request::answer(ready, state, key, request))
            }
        }
    }
}
