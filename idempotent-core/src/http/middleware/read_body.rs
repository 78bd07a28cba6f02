//! Reading the body of a guarded request, before its key is looked up.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, LengthLimitError};
use tokio::time::{Instant, timeout_at};

use super::read_budget::{Announced, HeldBytes};
use crate::http::gathered::Gathered;
use crate::http::problem::Problem;
use crate::http::response::whole_frame;

/// Any error, as bodies have it.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// How many frames of a body may be empty. HTTP/2 ends many bodies with one.
const MAX_EMPTY_FRAMES: usize = 1024;

/// What a body says of itself, unless that is too much already.
pub(super) fn announced(body: &impl Body, limit: usize) -> Result<Announced, Problem> {
    match usize::try_from(body.size_hint().lower()) {
        Ok(bytes) if bytes <= limit => Ok(Announced { bytes, limit }),
        _ => Err(Problem::request_too_large()),
    }
}

/// Reads the whole body of a request into its part of the budget.
pub(super) async fn read_body<B>(
    body: B,
    limit: usize,
    timeout: Duration,
    mut held: HeldBytes,
) -> Result<(Bytes, HeldBytes), Problem>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut gathered = Gathered::default();
    let mut deadline = None;
    while let Some(frame) = next_frame(body.as_mut(), timeout, &mut deadline).await? {
        let frame = frame.map_err(|error| match is_too_large(&*error.into()) {
            true => Problem::request_too_large(),
            false => Problem::unreadable_body(),
        })?;
        // Trailers are left out.
        let data = whole_frame(frame).into_data().unwrap_or_default();
        let empty_frames = gathered.frames().1 + usize::from(data.is_empty());
        if gathered.len() + data.len() > limit || empty_frames > MAX_EMPTY_FRAMES {
            return Err(Problem::request_too_large());
        }
        let capacity = gathered.capacity_with(data.len(), body.size_hint().exact());
        let is_complete = body.is_end_stream();
        held.grow_to(capacity, limit, is_complete)?;
        gathered.push(data, capacity);
        if is_complete {
            break;
        }
    }
    held.grow_to(0, limit, true)?;
    Ok((gathered.into_bytes(), held))
}

/// The next frame. Time runs from when the body first has to be waited for.
async fn next_frame<B: Body>(
    mut body: Pin<&mut B>,
    timeout: Duration,
    deadline: &mut Option<Instant>,
) -> Result<Option<Result<Frame<B::Data>, B::Error>>, Problem> {
    let mut frame = pin!(body.frame());
    if let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(frame.as_mut().poll(cx))).await {
        return Ok(frame);
    }
    if deadline.is_none() {
        *deadline = Instant::now().checked_add(timeout);
    }
    match *deadline {
        Some(deadline) => timeout_at(deadline, frame).await.map_err(|_| Problem::read_timeout()),
        None => Ok(frame.await),
    }
}

/// Also recognizes the limit of a layer outside this one.
fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::task::Context;

    use super::super::layer_limits::LayerLimits;
    use super::super::read_budget::ReadBudget;
    use super::*;
    use http::{HeaderMap, StatusCode};

    /// A body of unknown length.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    fn data(pieces: &[&'static str]) -> Frames {
        Frames(
            pieces.iter().map(|piece| Frame::data(Bytes::from_static(piece.as_bytes()))).collect(),
        )
    }

    /// A body that says nothing more after its frames.
    struct Stalled(Frames);

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Ready(None) => Poll::Pending,
                frame => frame,
            }
        }
    }

    fn held(budget: &Arc<ReadBudget>) -> HeldBytes {
        let announced = Announced { bytes: 0, limit: usize::MAX };
        budget.enter(None, &LayerLimits::default(), announced).unwrap()
    }

    async fn read(
        body: impl Body<Data = Bytes, Error = Infallible>,
        limit: usize,
    ) -> Result<Bytes, Problem> {
        let held = held(&Arc::new(ReadBudget::new(usize::MAX)));
        read_body(body, limit, Duration::from_secs(5), held).await.map(|(bytes, _)| bytes)
    }

    #[tokio::test]
    async fn the_data_of_all_frames_is_one_body() {
        for pieces in [&[][..], &[""], &["one"], &["one", "", "two"], &["one", "two", "three"]] {
            assert_eq!(read(data(pieces), 11).await.unwrap(), pieces.concat());
        }
    }

    #[tokio::test]
    async fn trailers_are_left_out() {
        let trailers = || Frame::trailers(HeaderMap::new());
        let mut with_trailers = data(&["one"]);
        with_trailers.0.push_back(trailers());
        assert_eq!(read(with_trailers, 3).await.unwrap(), "one");
        assert_eq!(read(Frames([trailers()].into()), 3).await.unwrap(), "");
    }

    #[tokio::test]
    async fn the_limit_counts_all_frames() {
        for pieces in [&["four"][..], &["on", "e", "!"]] {
            let problem = read(data(pieces), 3).await.unwrap_err();
            assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let start = Instant::now();
        let problem = read(Stalled(data(&["half"])), 100).await.unwrap_err();
        assert_eq!(problem.code(), "read_timeout");
        assert!(start.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test]
    async fn empty_frames_count() {
        let most = vec![""; MAX_EMPTY_FRAMES];
        assert_eq!(read(data(&most), 3).await.unwrap(), "");
        assert_eq!(read(data(&[&most[..], &["abc"]].concat()), 3).await.unwrap(), "abc");
        let problem = read(data(&[&most[..], &[""]].concat()), 3).await.unwrap_err();
        assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn what_is_held_grows_with_what_was_read_and_not_with_what_is_announced() {
        let budget = Arc::new(ReadBudget::new(1000));
        let stalled = Stalled(data(&["0123456789"]));
        let mut reading = pin!(read_body(stalled, 900, Duration::MAX, held(&budget)));
        assert!(tokio::time::timeout(Duration::from_millis(10), reading.as_mut()).await.is_err());
        let has_room = |bytes| {
            let announced = Announced { bytes, limit: 2000 };
            budget.enter(None, &LayerLimits::default(), announced).is_ok()
        };
        assert!(has_room(990) && !has_room(991));

        let long = vec!["0123456789"; 200];
        let problem = read_body(data(&long), 2000, Duration::MAX, held(&budget)).await.unwrap_err();
        assert_eq!(problem.code(), "read_budget_exhausted");
    }
}
