//! Reading the body of a guarded request, before its key is looked up.

use std::error::Error as StdError;
use std::pin::pin;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::http::problem::Problem;
use crate::http::response::whole_frame;

/// Any error, as bodies have it.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

/// Reads the whole body of a request.
pub(super) async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::request_too_large());
    }
    match collect(Limited::new(body, limit)).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if is_too_large(&*error) => Err(Problem::request_too_large()),
        Err(_) => Err(Problem::unreadable_body()),
    }
}

/// Collects the data of a body. A body of one frame, as most are, is not copied.
async fn collect<B: Body>(body: B) -> Result<Bytes, B::Error> {
    let mut body = pin!(body);
    let first = match body.frame().await.transpose()? {
        Some(frame) => whole_frame(frame).into_data().unwrap_or_default(),
        None => return Ok(Bytes::new()),
    };
    if body.is_end_stream() {
        return Ok(first);
    }
    let rest = body.collect().await?.to_bytes();
    let length = first.len() + rest.len();
    Ok(first.chain(rest).copy_to_bytes(length))
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
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http::{HeaderMap, StatusCode};
    use http_body::Frame;

    use super::*;

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

    #[tokio::test]
    async fn the_data_of_all_frames_is_one_body() {
        for pieces in [&[][..], &[""], &["one"], &["one", "", "two"], &["one", "two", "three"]] {
            assert_eq!(read_body(data(pieces), 11).await.unwrap(), pieces.concat());
        }
    }

    #[tokio::test]
    async fn trailers_are_left_out() {
        let trailers = || Frame::trailers(HeaderMap::new());
        let mut with_trailers = data(&["one"]);
        with_trailers.0.push_back(trailers());
        assert_eq!(read_body(with_trailers, 3).await.unwrap(), "one");
        assert_eq!(read_body(Frames([trailers()].into()), 3).await.unwrap(), "");
    }

    #[tokio::test]
    async fn the_limit_counts_all_frames() {
        for pieces in [&["four"][..], &["on", "e", "!"]] {
            let problem = read_body(data(pieces), 3).await.unwrap_err();
            assert_eq!(problem.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
}
