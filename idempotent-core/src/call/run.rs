//! Running a call's body in place, in the task of its caller.
//!
//! Its future is written by hand, because code that is generic over the body is compiled for every
//! annotated function of a program.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::body::LazyBody;
use super::execution::Execution;
use super::typed::Call;
use crate::model::CallOutcome;

impl<T, E> Call<T, E> {
    /// Runs `body`, unless the key was already used: then the memoized result is returned, or the
    /// call is refused.
    ///
    /// `body` is a closure, so that a replay never creates its future.
    ///
    /// If this future is dropped while the body runs, the key is
    /// [held for its lease](crate::Disposition::HoldForLease). Use [`run_detached`](Self::run_detached) to finish
    /// the body nevertheless.
    ///
    /// # Errors
    ///
    /// The body's own error, or a refusal of any [`ErrorKind`](crate::ErrorKind), converted into
    /// `E`.
    ///
    /// # Panics
    ///
    /// If the body panics; its outcome is then [unknown](crate::Disposition::Unknown).
    pub fn run<F, Fut>(self, body: F) -> Run<T, E, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Run::new(Execution::new(self), body)
    }

    /// Runs `body` like [`run`](Self::run), and returns how the call ended as well. For an annotated function, there is
    /// [`outcome_of`](super::outcome_of).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use idempotent_core::call::CallOutcome;
    /// use idempotent_core::{Error, Operation};
    ///
    /// const CHARGE: Operation = Operation::new("charge");
    ///
    /// let call = || CHARGE.key("order 7").returning::<Result<u32, Error>>();
    /// let (result, ended) = call().run_with_outcome(|| async { Ok(1) }).await;
    /// assert_eq!((result.unwrap(), ended), (1, CallOutcome::Executed));
    /// let (result, ended) = call().run_with_outcome(|| async { Ok(2) }).await;
    /// assert_eq!((result.unwrap(), ended), (1, CallOutcome::Replayed));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn run_with_outcome<F, Fut>(self, body: F) -> (Result<T, E>, CallOutcome)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut execution = Execution::new(self);
        let mut body = LazyBody::Closure(body);
        poll_fn(|cx| execution.poll(&mut body, cx)).await
    }
}

/// The future of [`Call::run`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Run<T, E, F, Fut> {
    execution: Execution<T, E>,
    body: LazyBody<F, Fut>,
}

impl<T, E, F, Fut> Run<T, E, F, Fut> {
    pub(super) const fn new(execution: Execution<T, E>, body: F) -> Self {
        Self { execution, body: LazyBody::Closure(body) }
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
        let Self { execution, body } = self.get_mut();
        execution.poll_result(body, cx)
    }
}
