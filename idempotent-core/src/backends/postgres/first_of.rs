//! Two ways to the same thing, of which the second is tried only if the first takes long.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

/// The output of `first`; or, once that failed or took until `patience`, of whichever succeeds first.
pub(super) async fn first_of<T, E>(
    first: impl Future<Output = Result<T, E>>,
    second: impl Future<Output = Result<T, E>>,
    patience: Instant,
) -> Result<T, E> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    match timeout_at(patience, first.as_mut()).await {
        Ok(Ok(output)) => return Ok(output),
        Ok(Err(_)) => return second.await,
        Err(_) => {}
    }
    let (mut first_runs, mut second_runs) = (true, true);
    poll_fn(|cx| {
        if first_runs {
            match first.as_mut().poll(cx) {
                Poll::Ready(Err(_)) if second_runs => first_runs = false,
                Poll::Ready(output) => return Poll::Ready(output),
                Poll::Pending => {}
            }
        }
        if second_runs {
            match second.as_mut().poll(cx) {
                Poll::Ready(Err(_)) if first_runs => second_runs = false,
                Poll::Ready(output) => return Poll::Ready(output),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    type Output = Result<u8, u8>;

    async fn after(seconds: u64, output: Output) -> Output {
        sleep(Duration::from_secs(seconds)).await;
        output
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_is_for_when_the_first_fails_or_takes_long() {
        let patience = || Instant::now() + Duration::from_secs(2);
        let never = pending::<Output>;
        assert_eq!(first_of(after(1, Ok(1)), never(), patience()).await, Ok(1));
        assert_eq!(first_of(ready(Err(1)), ready(Ok(2)), patience()).await, Ok(2));
        assert_eq!(first_of(never(), ready(Ok(2)), patience()).await, Ok(2));
        assert_eq!(first_of(after(3, Ok(1)), never(), patience()).await, Ok(1));
        assert_eq!(first_of(after(3, Err(1)), after(9, Ok(2)), patience()).await, Ok(2));
        assert_eq!(first_of(after(9, Ok(1)), after(1, Err(2)), patience()).await, Ok(1));
        assert_eq!(first_of(after(3, Err(1)), after(9, Err(2)), patience()).await, Err(2));
    }
}
