//! Running a call: the futures that put a body between its beginning and its end.
//!
//! They are written by hand, since what is generic over the body is compiled for every annotated
//! function of a program.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::ongoing::{Begun, Done, Ongoing};
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
    pub fn run<F, Fut>(self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Run { running: Running::new(self), closure: Some(body) }
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
        let mut run = Run { running: Running::new(self), closure: Some(body) };
        poll_fn(|cx| run.poll_done(cx)).await
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
        let mut running = Running::new(self);
        async move {
            match poll_fn(|cx| running.call.poll_begin(cx)).await {
                Begun::Replayed(result) => return result,
                Begun::Refused(error) => return running.call.refuse(error).0,
                Begun::Body => {}
            }
            let cut_short = running.call.cut_short();
            running.body = Some(Box::pin(running.call.make(body)));
            match tokio::spawn(scope().run(running.elsewhere())).await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(cut_short()),
                },
            }
        }
    }
}

/// A call whose body is not made yet.
struct Run<T, E, F, Fut> {
    running: Running<T, E, Fut>,
    closure: Option<F>,
}

/// A call and its body, which is boxed only when it is made: a replay pays nothing for it, and
/// calls within calls do not multiply their size.
struct Running<T, E, Fut> {
    call: Ongoing<T, E>,
    body: Option<Pin<Box<Fut>>>,
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
        self.get_mut().poll_done(cx).map(|(result, _)| result)
    }
}

impl<T, E, F, Fut> Run<T, E, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Done<T, E>> {
        let Self { running, closure } = self;
        if closure.is_some() {
            let begun = ready!(running.call.poll_begin(cx));
            let Some(closure) = closure.take() else { return Poll::Pending };
            match begun {
                Begun::Replayed(result) => return Poll::Ready((result, Ended::Replayed)),
                Begun::Refused(error) => return Poll::Ready(running.call.refuse(error)),
                Begun::Body => running.body = Some(Box::pin(running.call.make(closure))),
            }
        }
        running.poll(cx)
    }
}

impl<T, E, Fut: Future<Output = Result<T, E>>> Running<T, E, Fut> {
    fn new(call: Call<T, E>) -> Self {
        Self { call: Ongoing::new(call), body: None }
    }

    /// The body and its end, in a task of their own. Unlike a body that starts where it was won,
    /// this one may have waited for a worker.
    async fn elsewhere(mut self) -> Result<T, E> {
        match self.call.too_late() {
            Some(error) => self.call.refuse(error).0,
            None => poll_fn(|cx| self.poll(cx)).await.0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Done<T, E>> {
        let Some(body) = &mut self.body else { return self.call.poll_end(cx) };
        let result = ready!(self.call.poll_body(body.as_mut(), cx));
        self.body = None;
        self.call.settle(result, cx)
    }
}
