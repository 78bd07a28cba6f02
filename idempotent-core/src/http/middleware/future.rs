//! The response future of the service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::Body;

use crate::http::response::ResponseBody;

pin_project_lite::pin_project! {
    /// The future of [`IdempotencyService`](super::IdempotencyService).
    pub struct ResponseFuture<F, R: Body, E> {
        #[pin]
        state: State<F, R, E>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProjection]
    enum State<F, R: Body, E> {
        Passing { #[pin] inner: F },
        Refused { response: Option<Response<ResponseBody<R>>> },
        Guarded { guarded: GuardedFuture<R, E> },
    }
}

/// Boxed, so that unguarded requests do not pay for its size.
type GuardedFuture<R, E> = Pin<Box<dyn Future<Output = ServiceResult<R, E>> + Send>>;

type ServiceResult<R, E> = Result<Response<ResponseBody<R>>, E>;

impl<F, R: Body, E> ResponseFuture<F, R, E> {
    pub(super) fn passing(inner: F) -> Self {
        Self { state: State::Passing { inner } }
    }

    pub(super) fn refused(response: Response<ResponseBody<R>>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }

    pub(super) fn guarded(
        guarded: impl Future<Output = ServiceResult<R, E>> + Send + 'static,
    ) -> Self {
        Self { state: State::Guarded { guarded: Box::pin(guarded) } }
    }
}

impl<F, R, E> Future for ResponseFuture<F, R, E>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    type Output = ServiceResult<R, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passing { inner } => {
                let response = ready!(inner.poll(cx));
                Poll::Ready(response.map(|response| response.map(ResponseBody::inner)))
            }
            StateProjection::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                None => Poll::Pending,
            },
            StateProjection::Guarded { guarded } => guarded.as_mut().poll(cx),
        }
    }
}

impl<F, R: Body, E> fmt::Debug for ResponseFuture<F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
