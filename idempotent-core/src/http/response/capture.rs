//! Reading a handler's response into memory, so far as it can be stored.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{HeaderName, HeaderValue};
use http::response::Parts;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::body::{PartialBody, ResponseBody, Rest, whole_frame};
use super::stored_response::StoredResponse;
use super::stripped_headers::StrippedHeaders;
use crate::http::gathered::Gathered;
use crate::model::NotKept;

/// A response after its body was read.
pub(in crate::http) enum Captured<B: Body> {
    /// The body is complete: store it and send it.
    Complete(StoredResponse, Response<ResponseBody<B>>),
    /// It cannot be stored: only send it.
    NotKept(WhyNotKept, Response<ResponseBody<B>>),
}

/// Why a response is not stored. Its header tells the client, who will get 410 for a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum WhyNotKept {
    TooLarge,
    Stream,
    Trailers,
    /// The body ended with an error.
    BodyFailed,
    /// It makes no sense a second time, or asks not to be stored.
    Withheld,
}

impl WhyNotKept {
    const HEADER: HeaderName = HeaderName::from_static("idempotency-not-kept");

    /// Adds the header to the response.
    pub(in crate::http) fn mark<B>(self, mut response: Response<B>) -> Response<B> {
        let word = match self {
            Self::TooLarge => "too-large",
            Self::Stream => "stream",
            Self::Trailers => "trailers",
            Self::BodyFailed => "body-failed",
            Self::Withheld => "withheld",
        };
        response.headers_mut().insert(Self::HEADER, HeaderValue::from_static(word));
        response
    }

    /// What the record says.
    pub(in crate::http) fn record(self) -> NotKept {
        match self {
            Self::TooLarge => NotKept::TooLarge,
            Self::Stream | Self::Trailers | Self::BodyFailed | Self::Withheld => NotKept::Withheld,
        }
    }
}

/// How much of a body is read before the response is sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct CaptureLimits {
    /// The largest body that is stored.
    pub(in crate::http) max_bytes: usize,
    /// The largest response that the engine stores, with its headers.
    max_encoded_bytes: usize,
    /// How long a body of unknown length may take. After that it counts as a stream.
    pub(in crate::http) stream_after: Duration,
    /// How long a body of known length may take. After that it counts as a stream, too.
    pub(in crate::http) complete_after: Duration,
}

impl CaptureLimits {
    pub(in crate::http) fn new(max_bytes: usize) -> Self {
        let (stream_after, complete_after) = (Duration::from_secs(1), Duration::from_secs(30));
        Self { max_bytes, max_encoded_bytes: max_bytes, stream_after, complete_after }
    }
}

/// A body that was read: all of its bytes, or why it is not stored and a body that still yields everything.
pub(in crate::http) type CollectedBody<B> = Result<Bytes, (WhyNotKept, ResponseBody<B>)>;

/// Makes a response that can be stored, so far as it can be, of its head and its [collected](collect) body.
pub(in crate::http) fn capture<B: Body>(
    parts: Parts,
    collected: CollectedBody<B>,
    limits: CaptureLimits,
    stripped_headers: &StrippedHeaders,
) -> Captured<B> {
    match collected {
        Ok(bytes) => {
            let headers = stripped_headers.strip(&parts.headers, bytes.len());
            let stored = StoredResponse::new(parts.status, headers, bytes.clone());
            let response = Response::from_parts(parts, bytes.into());
            if stored.payload_len() > limits.max_encoded_bytes {
                let why = WhyNotKept::TooLarge;
                return Captured::NotKept(why, why.mark(response));
            }
            Captured::Complete(stored, response)
        }
        Err((why, body)) => Captured::NotKept(why, why.mark(Response::from_parts(parts, body))),
    }
}

/// Reads a body within the limits.
pub(in crate::http) async fn collect<B: Body>(body: B, limits: CaptureLimits) -> CollectedBody<B> {
    let hint = body.size_hint();
    if hint.lower() > limits.max_bytes as u64 {
        return Err((WhyNotKept::TooLarge, ResponseBody::inner(body)));
    }
    let within = match hint.exact() {
        Some(_) => limits.complete_after,
        None => limits.stream_after,
    };
    let mut deadline = Deadline { within, at: None };
    let mut body = Box::pin(body);
    let mut gathered = Gathered::default();
    let (why, last, rest) = loop {
        let (frames, empty_frames) = gathered.frames();
        // Time passes for a body that never has to be waited for as well.
        if frames % FRAMES_PER_LOOK == FRAMES_PER_LOOK - 1 && deadline.is_over() {
            break (WhyNotKept::Stream, None, Rest::Body(body));
        }
        let Some(next) = deadline.frame(&mut body).await else {
            break (WhyNotKept::Stream, None, Rest::Body(body));
        };
        let frame = match next {
            None => return Ok(gathered.into_bytes()),
            Some(Err(error)) => break (WhyNotKept::BodyFailed, None, Rest::Error(error)),
            Some(Ok(frame)) => whole_frame(frame),
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => break (WhyNotKept::Trailers, Some(trailers), Rest::Body(body)),
        };
        // An empty frame counts as a byte.
        if gathered.len() + empty_frames + data.len() > limits.max_bytes {
            let last = Some(Frame::data(data));
            break (WhyNotKept::TooLarge, last, Rest::Body(body));
        }
        let capacity = gathered.capacity_with(data.len(), body.size_hint().exact());
        gathered.push(data, capacity);
    };
    let first = Some(gathered.into_bytes()).filter(|bytes| !bytes.is_empty()).map(Frame::data);
    let frames = first.into_iter().chain(last).collect();
    Err((why, ResponseBody::partial(PartialBody { frames, rest })))
}

/// After how many frames the time is looked at again.
const FRAMES_PER_LOOK: usize = 64;

/// When a body has to be complete. Time runs from when it first has to be waited for, or is looked at.
struct Deadline {
    within: Duration,
    at: Option<Instant>,
}

impl Deadline {
    fn at(&mut self) -> Option<Instant> {
        if self.at.is_none() {
            self.at = Instant::now().checked_add(self.within);
        }
        self.at
    }

    fn is_over(&mut self) -> bool {
        self.at().is_some_and(|at| Instant::now() > at)
    }

    /// The next frame. `None` if there was none in time.
    async fn frame<B: Body>(
        &mut self,
        body: &mut Pin<Box<B>>,
    ) -> Option<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut frame = pin!(body.frame());
        if let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(frame.as_mut().poll(cx))).await {
            return Some(frame);
        }
        match self.at() {
            Some(at) => timeout_at(at, frame).await.ok(),
            None => Some(frame.await),
        }
    }
}
