//! Running a call: replay, or hold the key while the body runs and record how it ended.

use std::future::Future;

use super::policy::Policy;
use super::{Call, Ended};
use crate::engine::{Attempt, CallSpan, First, Held, first_attempt, later_attempts, scope};
use crate::error::{Error, ErrorKind};

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
    /// What the body gives, and each [`ErrorKind`] by way of `E`.
    ///
    /// # Panics
    ///
    /// When the body does; its key is held then.
    pub fn run<F, Fut>(self, body: F) -> impl Future<Output = Result<T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let run = self.run_with_outcome(body);
        async move { run.await.0 }
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
    pub fn run_with_outcome<F, Fut>(self, body: F) -> impl Future<Output = (Result<T, E>, Ended)>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let Self { request, policy, span } = self;
        async move {
            match begin(first_attempt(request, &span), &policy, span).await {
                Begun::Replay(result) => (result, Ended::Replayed),
                Begun::Refused(error) => (policy.refuse(error), Ended::Refused),
                // Boxed only here: a replay pays nothing for it, and calls within calls do not
                // multiply their size.
                Begun::Run(mut held, span) => {
                    let body = held.make(body);
                    let run = Box::pin(execute(held, policy, body));
                    (span.instrument(run).await, Ended::Executed)
                }
                Begun::RunUnrecorded(span) => {
                    (span.instrument(Box::pin(body())).await, Ended::Unrecorded)
                }
            }
        }
    }

    /// Runs `body` as a task of its own, in the caller's span and engine, so that it goes on to its
    /// end and is recorded when the caller is dropped.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`ErrorKind::InProgress`] if the runtime shut the task down.
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
        let Self { request, policy, span } = self;
        async move {
            let (mut held, span) = match begin(first_attempt(request, &span), &policy, span).await {
                Begun::Replay(result) => return result,
                Begun::Refused(error) => return policy.refuse(error),
                Begun::Run(held, span) => (Some(held), span),
                Begun::RunUnrecorded(span) => (None, span),
            };
            let id = held.as_ref().map(|held| held.id().clone());
            let refusal = policy.refusal();
            let body = match &mut held {
                Some(held) => held.make(body),
                None => body(),
            };
            let run = span.instrument(async move {
                // Unlike above, time has passed since the reservation was won.
                if let Some(error) = held.as_ref().and_then(Held::too_late) {
                    return policy.refuse(error);
                }
                match held {
                    Some(held) => execute(held, policy, body).await,
                    None => body.await,
                }
            });
            let task = tokio::spawn(scope().run(run));
            match task.await {
                Ok(result) => result,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => Err(refusal(cut_short(id))),
                },
            }
        }
    }
}

/// What a call came to before its body.
pub(super) enum Begun<T, E> {
    Replay(Result<T, E>),
    Refused(Error),
    Run(Held, CallSpan),
    RunUnrecorded(CallSpan),
}

/// Everything before the body.
pub(super) async fn begin<T, E>(
    first: First,
    policy: &Policy<T, E>,
    span: CallSpan,
) -> Begun<T, E> {
    let mut attempt = match first {
        First::Decided(attempt) => attempt,
        First::Asked(attempt) => attempt.await,
    };
    if let Ok(Attempt::Busy(busy)) = attempt {
        attempt = span.instrument(Box::pin(later_attempts(busy, span.clone()))).await;
    }
    let begun = match attempt {
        Ok(Attempt::Won(held)) => {
            span.ended(Ended::Executed);
            return Begun::Run(held, span);
        }
        Ok(Attempt::Unrecorded) => {
            span.ended(Ended::Unrecorded);
            return Begun::RunUnrecorded(span);
        }
        Ok(Attempt::Replay(found)) => policy.replay(&found.id, &found.record),
        Ok(Attempt::Busy(busy)) => Err(busy.refusal()),
        Err(error) => Err(error),
    };
    match begun {
        Ok(result) => {
            span.ended(Ended::Replayed);
            Begun::Replay(result)
        }
        Err(error) => {
            span.refused(&error);
            Begun::Refused(error)
        }
    }
}

/// The body, and the record of its end. Dropped within the body, the key is held.
async fn execute<T, E>(
    mut held: Held,
    policy: Policy<T, E>,
    body: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    held.start();
    let result = body.await;
    let settlement = policy.settlement(&result, &held);
    held.settle(settlement).await;
    result
}

fn cut_short(id: Option<crate::RecordId>) -> Error {
    let error = match id {
        Some(id) => Error::of(ErrorKind::InProgress, &id),
        None => Error::new(ErrorKind::InProgress, ""),
    };
    error.detail("the runtime shut the running call down").retry_in(None)
}
