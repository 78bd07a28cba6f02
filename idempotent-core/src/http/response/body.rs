//! The body of a response that passed through a layer: buffered, or streamed by the handler.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

pin_project_lite::pin_project! {
    /// The body of a response that passed through an
    /// [`IdempotencyLayer`](crate::http::IdempotencyLayer).
    ///
    /// The bodies of stored responses and of problems are buffered; all others are the handler's own.
    pub struct ResponseBody<B: Body> {
        #[pin]
        state: State<B>,
    }
}

pin_project_lite::pin_project! {
    #[project = StateProjection]
    enum State<B: Body> {
        Buffered { bytes: Bytes },
        Inner { #[pin] body: B },
        Partial { partial: PartialBody<B> },
    }
}

/// A body of which some frames were read already.
pub(super) struct PartialBody<B: Body> {
    pub(super) frames: VecDeque<Frame<Bytes>>,
    pub(super) rest: Rest<B>,
}

/// What follows the frames that were read.
pub(super) enum Rest<B: Body> {
    Body(Pin<Box<B>>),
    Error(B::Error),
    Nothing,
}

impl<B: Body> ResponseBody<B> {
    pub(in crate::http) fn inner(body: B) -> Self {
        Self { state: State::Inner { body } }
    }

    pub(super) fn partial(partial: PartialBody<B>) -> Self {
        Self { state: State::Partial { partial } }
    }
}

impl<B: Body> From<Bytes> for ResponseBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self { state: State::Buffered { bytes } }
    }
}

/// An empty body, for layers outside that answer in the place of this one: timeouts and CORS for instance.
impl<B: Body> Default for ResponseBody<B> {
    fn default() -> Self {
        Bytes::new().into()
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().state.project() {
            StateProjection::Buffered { bytes } if bytes.is_empty() => Poll::Ready(None),
            StateProjection::Buffered { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(mem::take(bytes)))))
            }
            StateProjection::Inner { body } => {
                let frame = ready!(body.poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map(whole_frame)))
            }
            StateProjection::Partial { partial } => partial.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Buffered { bytes } => bytes.is_empty(),
            State::Inner { body } => body.is_end_stream(),
            State::Partial { partial } => partial.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Buffered { bytes } => SizeHint::with_exact(bytes.len() as u64),
            State::Inner { body } => body.size_hint(),
            State::Partial { partial } => partial.size_hint(),
        }
    }
}

impl<B: Body> PartialBody<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        match mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Body(mut body) => {
                let frame = body.as_mut().poll_frame(cx);
                self.rest = Rest::Body(body);
                Poll::Ready(ready!(frame).map(|frame| frame.map(whole_frame)))
            }
            Rest::Error(error) => Poll::Ready(Some(Err(error))),
            Rest::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        let rest_ended = match &self.rest {
            Rest::Body(body) => body.is_end_stream(),
            Rest::Error(_) => false,
            Rest::Nothing => true,
        };
        self.frames.is_empty() && rest_ended
    }

    fn size_hint(&self) -> SizeHint {
        let frames = self.frames.iter().filter_map(Frame::data_ref);
        let read: u64 = frames.map(|data| data.len() as u64).sum();
        let rest = match &self.rest {
            Rest::Body(body) => body.size_hint(),
            // The body would have been longer without the error.
            Rest::Error(_) => SizeHint::new(),
            Rest::Nothing => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(read)) {
            hint.set_upper(upper);
        }
        hint.set_lower(rest.lower().saturating_add(read).min(hint.upper().unwrap_or(u64::MAX)));
        hint
    }
}

/// The frame with contiguous data. It copies nothing if the data is contiguous already.
pub(in crate::http) fn whole_frame<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
}

impl<B: Body> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
