//! Taking a handler's response in, as far as it can be kept.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::body::{Begun, ResponseBody, Rest, whole_frame};
use super::{DroppedHeaders, StoredResponse};

/// What became of a response.
pub(in crate::http) enum Captured<B: Body> {
    /// It is whole: keep it, and deliver it.
    Whole(StoredResponse, Response<ResponseBody<B>>),
    /// It cannot be kept: it is too large, a stream, has trailers, or broke off. Deliver it.
    Unkept(Response<ResponseBody<B>>),
}

/// How much of a body is taken in.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Limits {
    /// The largest body that is kept.
    pub(in crate::http) bytes: usize,
    /// How long a body may take whose length is not known. After that it is a stream.
    pub(in crate::http) patience: Duration,
}

/// Takes a response in.
pub(in crate::http) async fn capture<B: Body>(
    response: Response<B>,
    limits: Limits,
    dropped: &DroppedHeaders,
) -> Captured<B> {
    let (parts, body) = response.into_parts();
    match collect(body, limits).await {
        Ok(bytes) => {
            let headers = dropped.keep(&parts.headers, bytes.len());
            let stored = StoredResponse::new(parts.status, headers, bytes.clone());
            Captured::Whole(stored, Response::from_parts(parts, bytes.into()))
        }
        Err(body) => Captured::Unkept(Response::from_parts(parts, body)),
    }
}

/// The body's bytes, or the body as it was before anything was read of it.
async fn collect<B: Body>(body: B, limits: Limits) -> Result<Bytes, ResponseBody<B>> {
    let limit = limits.bytes as u64;
    if body.size_hint().lower() > limit {
        return Err(ResponseBody::inner(body));
    }
    let length_is_known = body.size_hint().exact().is_some();
    let deadline =
        (!length_is_known).then(|| Instant::now().checked_add(limits.patience)).flatten();
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
            None => return Ok(join(frames)),
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
    Err(ResponseBody::begun(Begun { frames, rest }))
}

fn join(mut frames: VecDeque<http_body::Frame<Bytes>>) -> Bytes {
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
