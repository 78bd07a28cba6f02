//! Running a call: the futures that put a body between its beginning and its end.
//!
//! They are written by hand, since what is generic over the body is compiled for every annotated
//! function of a program.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::ongoing::{Begun, Body, Ongoing};
use super::{Call, Ended};
use crate::engine::scope;

impl<T, E> Call<T, E> {
    /// Runs `body`, unless this call's key was used before: then its memoized result is given, or
    /// the call is refused.
    ///
    /// `body` is a closure, so that a replay never makes its future.
    ///
    /// Dropping the future while the body runs leaves the key reserved until its lease ends, since
    /// nobody knows what had happened; see [`run_detached`](Self::run_detached).
    ///
    /// # Errors
    ///
    /// What the body gives, and each [`ErrorKind`](crate::ErrorKind) by way of `E`.
    ///
    /// # Panics
    ///
    /// When the body does; its key is held then.
    pub fn run<F, Fut>(self, body: F) -> Run<T, E, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Run { call: Ongoing::new(self), body: Lazy::Closure(body) }
    }

    /// Runs `body` like [`run`](Self::run), and says how the call ended.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::{Ended, Error, Operation};
    ///
    /// const CHARGE: Operation = Operation::new("charge");
    ///
    /// let call = || CHARGE.key("order 7").returning::<Result<u32, Error>>();
    /// let (result, ended) = call().run_with_outcome(|| async { Ok(1) }).await;
    /// assert_eq!((result.unwrap(), ended), (1, Ended::Executed));
    /// let (result, ended) = call().run_with_outcome(|| async { Ok(2) }).await;
    /// assert_eq!((result.unwrap(), ended), (1, Ended::Replayed));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with_outcome<F, Fut>(self, body: F) -> (Result<T, E>, Ended)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut call = Ongoing::new(self);
        let mut body = Lazy::Closure(body);
        poll_fn(|cx| call.poll(&mut body, cx)).await
    }

    /// Runs `body` as a task of its own, in the caller's span and engine, so that it goes on to its
    /// end and is recorded when the caller is dropped.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`InProgress`](crate::ErrorKind::InProgress) if the runtime shut
    /// the task down.
    ///
    /// # Panics
    ///
    /// When the body does; its key is held then.
    pub fn run_detached<F, Fut>(self, body: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let mut call = Ongoing::new(self);
        async move {
            match poll_fn(|cx| call.poll_begin(cx)).await {
                Begun::Replayed(result) => return result,
                Begun::Refused(error) => return call.refuse(error).0,
                Begun::Body => {}
            }
            let cut_short = call.cut_short();
            let mut body = Lazy::Closure(body);
            let running = call.enter();
            call.make(&mut body);
            drop(running);
            match tokio::spawn(scope().run(detached(call, body.without_closure()))).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(cut_short()),
                },
            }
        }
    }
}

/// The body and its end, in a task of their own. Unlike a body that starts where it was won, this
/// one may have waited for a worker.
async fn detached<T, E>(mut call: Ongoing<T, E>, mut body: impl Body<T, E>) -> Result<T, E> {
    match call.too_late() {
        Some(error) => call.refuse(error).0,
        None => poll_fn(|cx| call.poll_body(&mut body, cx)).await.0,
    }
}

/// The future of [`Call::run`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Run<T, E, F, Fut> {
    call: Ongoing<T, E>,
    body: Lazy<F, Fut>,
}

/// A body that is made when it is its turn, and boxed then: a replay pays nothing for it, and calls
/// within calls do not multiply their size.
enum Lazy<F, Fut> {
    Closure(F),
    Future(Pin<Box<Fut>>),
    Over,
}

impl<F, Fut> Lazy<F, Fut> {
    /// The body that was made, in a type that is `Send` whatever its closure was.
    fn without_closure(self) -> Lazy<fn() -> Fut, Fut> {
        match self {
            Self::Future(future) => Lazy::Future(future),
            Self::Closure(_) | Self::Over => Lazy::Over,
        }
    }
}

impl<T, E, F, Fut> fmt::Debug for Run<T, E, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

/// Neither the closure nor a result is ever pinned, and the body is pinned in its box.
impl<T, E, F, Fut> Unpin for Run<T, E, F, Fut> {}

impl<T, E, F, Fut> Future for Run<T, E, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { call, body } = self.get_mut();
        call.poll_result(body, cx)
    }
}

impl<T, E, F, Fut> Body<T, E> for Lazy<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    fn make(&mut self) {
        if let Self::Closure(closure) = mem::replace(self, Self::Over) {
            *self = Self::Future(Box::pin(closure()));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        match self {
            Self::Future(future) => future.as_mut().poll(cx),
            Self::Closure(_) | Self::Over => Poll::Pending,
        }
    }

    fn end(&mut self) {
        *self = Self::Over;
    }
}
