//! Reading a handler's response into memory, so far as it can be stored.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::body::{PartialBody, ResponseBody, Rest, whole_frame};
use super::stored_response::StoredResponse;
use super::stripped_headers::StrippedHeaders;

/// A response after its body was read.
pub(in crate::http) enum Captured<B: Body> {
    /// The body is complete: store it and send it.
    Complete(StoredResponse, Response<ResponseBody<B>>),
    /// The body is too large, a stream, has trailers or ended with an error: only send it.
    Incomplete(Response<ResponseBody<B>>),
}

/// How much of a body is read before the response is sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct CaptureLimits {
    /// The largest body that is stored.
    pub(in crate::http) max_bytes: usize,
    /// How long a body of unknown length may take. After that it counts as a stream.
    pub(in crate::http) stream_after: Duration,
}

impl CaptureLimits {
    pub(in crate::http) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, stream_after: Duration::from_secs(1) }
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
            Captured::Complete(stored, Response::from_parts(parts, bytes.into()))
        }
        Err(body) => Captured::Incomplete(Response::from_parts(parts, body)),
    }
}

/// The bytes of the whole body, or a body that still yields everything.
async fn collect<B: Body>(body: B, limits: CaptureLimits) -> Result<Bytes, ResponseBody<B>> {
    let limit = limits.max_bytes as u64;
    if body.size_hint().lower() > limit {
        return Err(ResponseBody::inner(body));
    }
    let length_is_known = body.size_hint().exact().is_some();
    let deadline =
        (!length_is_known).then(|| Instant::now().checked_add(limits.stream_after)).flatten();
    let mut body = Box::pin(body);
    let mut frames = VecDeque::new();
    let mut read = 0;
    let rest = loop {
        let next = match deadline {
            None => body.frame().await,
            Some(deadline) => match timeout_at(deadline, pin!(body.frame())).await {
                Ok(next) => next,
                Err(_) => break Rest::Body(body),
            },
        };
        match next {
            None => return Ok(concatenate(frames)),
            Some(Err(error)) => break Rest::Error(error),
            Some(Ok(frame)) => {
                let frame = whole_frame(frame);
                let data = frame.data_ref().map(|data| data.len() as u64);
                frames.push_back(frame);
                read += data.unwrap_or_default();
                if data.is_none() || read > limit {
                    break Rest::Body(body);
                }
            }
        }
    };
    Err(ResponseBody::partial(PartialBody { frames, rest }))
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
