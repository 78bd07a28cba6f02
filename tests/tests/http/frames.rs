//! Responses whose bodies stall, or come in frames without end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use idempotent_core::http::IdempotencyLayer;
use idempotent_tests::secs;
use tokio::time::timeout;
use tower::{Layer, ServiceExt, service_fn};

use super::layer;

/// A body of some frames, which then ends, or stalls.
#[derive(Clone)]
struct Frames {
    frame: &'static str,
    left: usize,
    length: Option<u64>,
    stalls: bool,
    polled: Arc<AtomicUsize>,
}

impl Frames {
    fn new(frame: &'static str, frames: usize) -> Self {
        Self { frame, left: frames, length: None, stalls: false, polled: Arc::default() }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.frame.as_bytes())))))
            }
            None if self.stalls => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// The first answer, after making sure that the second is a tombstone's.
async fn tombstone(layer: IdempotencyLayer, body: Frames) -> Response<Body> {
    let service = layer.layer(service_fn(move |_: Request<Body>| {
        let body = body.clone();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    }));
    let request = || Request::post("/").header("idempotency-key", "k").body(Body::empty()).unwrap();
    let first = timeout(secs(20), service.clone().oneshot(request())).await;
    let first = first.expect("it is answered").unwrap().map(Body::new);
    assert_eq!(service.oneshot(request()).await.unwrap().status(), 410);
    first
}

#[tokio::test]
async fn a_response_of_known_length_that_stalls_is_sent_as_it_comes() {
    let layer = layer().response_deadline(Duration::from_millis(50));
    let body = Frames { length: Some(8), stalls: true, ..Frames::new("half", 1) };
    let first = tombstone(layer, body).await;
    assert_eq!(first.headers()["idempotency-not-kept"], "stream");
    let mut body = first.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
}

#[tokio::test]
async fn empty_frames_count() {
    let body = Frames::new("", 3_000_000);
    let polled = Arc::clone(&body.polled);
    let first = tombstone(layer().response_limit(1000), body).await;
    assert!(polled.load(Ordering::Relaxed) <= 1010, "{polled:?}");
    assert!(first.into_body().collect().await.unwrap().to_bytes().is_empty());
}

#[tokio::test]
async fn a_body_that_never_has_to_be_waited_for_has_a_deadline_too() {
    let layer = layer().stream_after(Duration::ZERO);
    let body = Frames::new("x", 100_000);
    let polled = Arc::clone(&body.polled);
    let first = tombstone(layer, body).await;
    assert_eq!(first.headers()["idempotency-not-kept"], "stream");
    assert!(polled.load(Ordering::Relaxed) < 1000, "{polled:?}");
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes().len(), 100_000);
}
