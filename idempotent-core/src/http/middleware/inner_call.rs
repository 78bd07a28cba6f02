//! [`InnerCall`]: the call of the inner service, as a future that does nothing until it is polled.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use tower_service::Service;

pin_project_lite::pin_project! {
    /// Calls the inner service when it is first polled, so that the service's `call` belongs to the
    /// idempotent call as well. An `async` block would have room for both the request and the service's future.
    pub(super) struct InnerCall<S, B>
    where
        S: Service<Request<B>>,
    {
        service: S,
        #[pin]
        state: State<S::Future, B>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Uncalled { request: Option<Request<B>> },
        Called { #[pin] response: F },
    }
}

impl<S, B> InnerCall<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(service: S, request: Request<B>) -> Self {
        Self { service, state: State::Uncalled { request: Some(request) } }
    }
}

impl<S, B> Future for InnerCall<S, B>
where
    S: Service<Request<B>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let StateProjection::Uncalled { request } = this.state.as_mut().project() {
            // If `call` panics, nothing is left to be polled.
            let Some(request) = request.take() else { return Poll::Pending };
            let response = this.service.call(request);
            this.state.set(State::Called { response });
        }
        match this.state.project() {
            StateProjection::Called { response } => response.poll(cx),
            StateProjection::Uncalled { .. } => Poll::Pending,
        }
    }
}
