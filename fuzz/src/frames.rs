//! What must hold of a layer, whatever the frames of a request's and of a response's body are.
//!
//! The first byte says whether the bodies know their lengths. Each of the others is one or more frames, or what
//! happens between them; `0xff` parts the request's from the response's.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::{IdempotencyLayer, RequestBody};
use tokio::time::timeout;
use tower_layer::Layer;
use tower_service::Service;

/// What both bodies may be, in bytes.
const LIMIT: usize = 1000;

/// How many frames are read at most before there is an answer: one for each byte, some empty ones.
const MOST_FRAMES: usize = LIMIT + 1100;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let (lengths, script) = bytes.split_first().unwrap_or((&0, &[]));
    let mut scripts = script.splitn(2, |byte| *byte == 0xff);
    let (request, response) = (scripts.next().unwrap_or_default(), scripts.next());
    let request = Script::of(request, lengths & 1 == 1);
    let response = Script::of(response.unwrap_or_default(), lengths & 2 == 2);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(send_twice(&request, &response));
}

async fn send_twice(sent: &Script, answered: &Script) {
    let engine = Idempotency::new(MemoryStore::new());
    let handler = Handler { response: answered.clone(), runs: Arc::default() };
    let layer = IdempotencyLayer::at_least_once(engine, "fuzz").scope(|_| 1);
    let layer = layer.request_limit(LIMIT).response_limit(LIMIT).read_budget(2 * LIMIT + 256);
    let mut service = layer.layer(handler.clone());
    let mut send = async || {
        let body = sent.body();
        let (polled, alive) = (Arc::clone(&body.polled), Arc::clone(&body.alive));
        let request = Request::post("/").header("idempotency-key", "k").body(body);
        // The time of this runtime passes by itself when everything waits.
        let answer = service.call(request.expect("a request"));
        let answer = timeout(Duration::from_secs(600), answer).await.expect("it is answered");
        assert!(polled.load(Ordering::Relaxed) <= MOST_FRAMES, "{polled:?} frames were read");
        assert!(alive.load(Ordering::Relaxed) <= 1, "{alive:?} frames are held");
        answer.unwrap_or_else(|never: Infallible| match never {})
    };

    let first = send().await;
    let runs = handler.runs.load(Ordering::Relaxed);
    let status = first.status();
    let body = read(first.into_body()).await;
    if sent.is_complete() {
        assert_eq!((status, runs), (StatusCode::OK, 1), "a request that is complete runs");
        assert_eq!(
            body,
            answered.read(),
            "nothing is lost of a response, and nothing is there twice"
        );
    } else {
        assert!(status.is_client_error() && runs == 0, "{status}: one that is not runs nothing");
    }

    let second = send().await;
    assert!(handler.runs.load(Ordering::Relaxed) <= 1, "nothing runs twice");
    if second.headers().contains_key("idempotency-replayed") {
        assert!(answered.is_complete(), "only a whole response is kept");
        assert_eq!(read(second.into_body()).await, body, "a replay is the first answer");
    } else {
        let kept = if sent.is_complete() { StatusCode::GONE } else { status };
        assert_eq!(second.status(), kept, "otherwise it is refused");
    }
}

/// The data of a body, and how it ended.
async fn read<B: Body<Data = Bytes>>(body: B) -> (Vec<u8>, End) {
    let (mut body, mut data) = (pin!(body), Vec::new());
    loop {
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx));
        match timeout(Duration::from_secs(3600), frame).await {
            Err(_) => return (data, End::Stalled),
            Ok(None) => return (data, End::Whole),
            Ok(Some(Err(_))) => return (data, End::Failed),
            Ok(Some(Ok(frame))) => data.extend(frame.into_data().unwrap_or_default()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Whole,
    Failed,
    Stalled,
}

/// What a body does.
#[derive(Clone, Copy)]
enum Step {
    Data(usize),
    Wait,
    Stall,
    Fail,
    Trailers,
}

#[derive(Clone)]
struct Script {
    steps: Vec<Step>,
    length: Option<u64>,
}

impl Script {
    fn of(bytes: &[u8], knows_length: bool) -> Self {
        let mut steps = Vec::new();
        for byte in bytes.iter().take(64) {
            let many = usize::from(byte >> 3);
            match byte & 7 {
                0 => steps.push(Step::Data(many)),
                1 => steps.push(Step::Data(64 * many)),
                2 => steps.extend(vec![Step::Data(0); many * many]),
                3 => steps.push(Step::Wait),
                4 if many == 31 => steps.push(Step::Stall),
                5 if many == 31 => steps.push(Step::Fail),
                6 if many == 31 => steps.push(Step::Trailers),
                _ => steps.extend(vec![Step::Data(1); many]),
            }
        }
        let mut script = Self { steps, length: None };
        script.length = knows_length.then(|| script.read().0.len() as u64);
        script
    }

    fn body(&self) -> Frames {
        let (polled, alive) = (Arc::default(), Arc::default());
        Frames { left: self.steps.clone().into(), length: self.length, polled, alive }
    }

    /// What a reader gets of it.
    fn read(&self) -> (Vec<u8>, End) {
        let mut data = Vec::new();
        for step in &self.steps {
            match step {
                Step::Data(length) => data.extend(vec![b'x'; *length]),
                Step::Stall => return (data, End::Stalled),
                Step::Fail => return (data, End::Failed),
                Step::Wait | Step::Trailers => {}
            }
        }
        (data, End::Whole)
    }

    /// Whether it ends well, within the limits.
    fn is_complete(&self) -> bool {
        let (data, end) = self.read();
        let empty = self.steps.iter().filter(|step| matches!(step, Step::Data(0) | Step::Trailers));
        end == End::Whole && data.len() <= LIMIT && empty.count() <= 1024
    }
}

/// A body that follows a script, and knows how many of its frames there are.
struct Frames {
    left: VecDeque<Step>,
    length: Option<u64>,
    polled: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
}

/// The data of a frame, which is counted as long as anybody holds it.
struct Data(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.polled.fetch_add(1, Ordering::Relaxed);
        let Some(step) = self.left.pop_front() else { return Poll::Ready(None) };
        Poll::Ready(Some(Ok(match step {
            Step::Data(length) => {
                if let Some(left) = &mut self.length {
                    *left = left.saturating_sub(length as u64);
                }
                self.alive.fetch_add(1, Ordering::Relaxed);
                let data = Data(vec![b'x'; length], Arc::clone(&self.alive));
                Frame::data(Bytes::from_owner(data))
            }
            Step::Wait => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Step::Stall => {
                self.left.push_front(Step::Stall);
                return Poll::Pending;
            }
            Step::Fail => return Poll::Ready(Some(Err("the body failed".into()))),
            Step::Trailers => Frame::trailers(HeaderMap::new()),
        })))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// Reads its request and answers with a script.
#[derive(Clone)]
struct Handler {
    response: Script,
    runs: Arc<AtomicUsize>,
}

impl Service<Request<RequestBody<Frames>>> for Handler {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Frames>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody<Frames>>) -> Self::Future {
        self.runs.fetch_add(1, Ordering::Relaxed);
        Box::pin(ready(Ok(Response::new(self.response.body()))))
    }
}
