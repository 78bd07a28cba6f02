//! Reading a handler's response into memory, so far as it can be stored.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::{HeaderName, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::body::{PartialBody, ResponseBody, Rest, whole_frame};
use super::stored_response::StoredResponse;
use super::stripped_headers::StrippedHeaders;
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
}

impl CaptureLimits {
    pub(in crate::http) fn new(max_bytes: usize) -> Self {
        let stream_after = Duration::from_secs(1);
        Self { max_bytes, max_encoded_bytes: max_bytes, stream_after }
    }
}

/// Reads a response within the limits.
pub(in crate::http) async fn capture<B: Body>(
    response: Response<B>,
    limits: CaptureLimits,
    stripped_headers: &StrippedHeaders,
) -> Captured<B> {
    let (parts, body) = response.into_parts();
    match collect(body, limits).await {
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

/// The bytes of the whole body, or a body that still yields everything, and why it is not stored.
async fn collect<B: Body>(
    body: B,
    limits: CaptureLimits,
) -> Result<Bytes, (WhyNotKept, ResponseBody<B>)> {
    let limit = limits.max_bytes as u64;
    if body.size_hint().lower() > limit {
        return Err((WhyNotKept::TooLarge, ResponseBody::inner(body)));
    }
    let length_is_known = body.size_hint().exact().is_some();
    let deadline =
        (!length_is_known).then(|| Instant::now().checked_add(limits.stream_after)).flatten();
    let mut body = Box::pin(body);
    let mut frames = VecDeque::new();
    let mut read = 0;
    let (why, rest) = loop {
        let next = match deadline {
            None => body.frame().await,
            Some(deadline) => match timeout_at(deadline, pin!(body.frame())).await {
                Ok(next) => next,
                Err(_) => break (WhyNotKept::Stream, Rest::Body(body)),
            },
        };
        match next {
            None => return Ok(concatenate(frames)),
            Some(Err(error)) => break (WhyNotKept::BodyFailed, Rest::Error(error)),
            Some(Ok(frame)) => {
                let frame = whole_frame(frame);
                let data = frame.data_ref().map(|data| data.len() as u64);
                frames.push_back(frame);
                read += data.unwrap_or_default();
                if data.is_none() {
                    break (WhyNotKept::Trailers, Rest::Body(body));
                }
                if read > limit {
                    break (WhyNotKept::TooLarge, Rest::Body(body));
                }
            }
        }
    };
    Err((why, ResponseBody::partial(PartialBody { frames, rest })))
}

fn concatenate(mut frames: VecDeque<http_body::Frame<Bytes>>) -> Bytes {
    if frames.len() <= 1 {
        let only = frames.pop_front().and_then(|frame| frame.into_data().ok());
        return only.unwrap_or_default();
    }
    let mut bytes = BytesMut::new();
    for data in frames.iter().filter_map(http_body::Frame::data_ref) {
        bytes.extend_from_slice(data);
    }
    bytes.freeze()
}
