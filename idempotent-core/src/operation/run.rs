//! Running a call: replay, or hold the key while the body runs and record how it ended.

use std::future::Future;
use std::pin::Pin;

use super::policy::Policy;
use super::{Call, Ended};
use crate::engine::{Attempt, CallSpan, First, Found, Held, first_attempt, later_attempts, scope};
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
    pub async fn run<F, Fut>(self, body: F) -> Result<T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        match self.start(|first, policy, span| run_here(first, policy, span, body)) {
            Start::Ended(result, _) => result,
            Start::Waits(run) => run.await.0,
        }
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
        match self.start(|first, policy, span| run_here(first, policy, span, body)) {
            Start::Ended(result, ended) => (result, ended),
            Start::Waits(run) => run.await,
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
    pub async fn run_detached<F, Fut>(self, body: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.start(|first, policy, span| run_apart(first, policy, span, body)) {
            Start::Ended(result, _) => result,
            Start::Waits(run) => run.await,
        }
    }

    /// Answers a call whose record is at hand, and makes the future of any other.
    ///
    /// That one is boxed, so that the caller's own future holds neither the engine's states nor the
    /// body's, and calls within calls do not multiply their size. A replay at hand pays nothing
    /// for it.
    fn start<R>(self, later: impl FnOnce(First, Policy<T, E>, CallSpan) -> R) -> Start<T, E, R> {
        let Self { request, policy, span } = self;
        let found = match first_attempt(request, &span) {
            First::Decided(Ok(Attempt::Replay(found))) => Ok(found),
            First::Decided(Err(error)) => Err(error),
            first => return Start::Waits(Box::pin(later(first, policy, span))),
        };
        match answer(found, &policy, &span) {
            Ok(result) => Start::Ended(result, Ended::Replayed),
            Err(error) => Start::Ended(policy.refuse(error), Ended::Refused),
        }
    }
}

/// Where a call stands before it waits for anything.
enum Start<T, E, R> {
    Ended(Result<T, E>, Ended),
    Waits(Pin<Box<R>>),
}

/// The rest of a call in its caller's task.
async fn run_here<T, E, F, Fut>(
    first: First,
    policy: Policy<T, E>,
    span: CallSpan,
    body: F,
) -> (Result<T, E>, Ended)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    match begin(first, &policy, span).await {
        Begun::Replay(result) => (result, Ended::Replayed),
        Begun::Refused(error) => (policy.refuse(error), Ended::Refused),
        // Boxed only here: a replay pays nothing for the body.
        Begun::Run(mut held, span) => {
            let body = held.make(body);
            let run = Box::pin(execute(held, policy, body));
            (span.instrument(run).await, Ended::Executed)
        }
        Begun::RunUnrecorded(span) => (span.instrument(Box::pin(body())).await, Ended::Unrecorded),
    }
}

/// The rest of a call, its body in a task of its own.
async fn run_apart<T, E, F, Fut>(
    first: First,
    policy: Policy<T, E>,
    span: CallSpan,
    body: F,
) -> Result<T, E>
where
    T: Send + 'static,
    E: Send + 'static,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
{
    let (mut held, span) = match begin(first, &policy, span).await {
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
    let found = match attempt {
        Ok(Attempt::Won(held)) => {
            span.ended(Ended::Executed);
            return Begun::Run(held, span);
        }
        Ok(Attempt::Unrecorded) => {
            span.ended(Ended::Unrecorded);
            return Begun::RunUnrecorded(span);
        }
        Ok(Attempt::Replay(found)) => Ok(found),
        Ok(Attempt::Busy(busy)) => Err(busy.refusal()),
        Err(error) => Err(error),
    };
    match answer(found, policy, &span) {
        Ok(result) => Begun::Replay(result),
        Err(error) => Begun::Refused(error),
    }
}

/// The memoized result that was found, or why there is none.
fn answer<T, E>(
    found: Result<Found, Error>,
    policy: &Policy<T, E>,
    span: &CallSpan,
) -> Result<Result<T, E>, Error> {
    let answer = found.and_then(|found| policy.replay(&found.id, &found.record));
    match &answer {
        Ok(_) => span.ended(Ended::Replayed),
        Err(error) => span.refused(error),
    }
    answer
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
