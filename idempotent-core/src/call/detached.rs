//! Running a call's body so that it survives its caller.

use std::future::{Future, poll_fn};

use super::body::LazyBody;
use super::execution::Execution;
use super::typed::Call;
use crate::engine::FinishInBackground;

impl<T, E> Call<T, E> {
    /// Runs `body` like [`run`](Self::run). Once the body has started, dropping this future does
    /// not stop it: the body finishes in a spawned task, with the caller's span and engine, and its
    /// result is recorded.
    ///
    /// [`IdempotencyBuilder::max_detached`](crate::IdempotencyBuilder::max_detached) bounds how many such calls
    /// run at once, and [`Idempotency::drain`](crate::Idempotency::drain) waits for those whose callers went away.
    ///
    /// Until it is dropped, this future polls the body where it is awaited, and needs no task. If
    /// the runtime shuts down, the body stops, and its key is held for the lease.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// If the body panics; its outcome is then [unknown](crate::Disposition::Unknown).
    pub fn run_detached<F, Fut>(self, body: F) -> impl Future<Output = Result<T, E>>
    where
        T: Send + 'static,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + 'static,
        // The compiler shows the line that is not met, and what is written beside it.
        Fut: Send, // drop what is not `Send` before an `.await`, or use an `Arc` and async locks
        E: 'static,
        E: Send, // write `Box<dyn Error + Send + Sync>` instead of `Box<dyn Error>`
    {
        let mut call = self;
        call.request.detaches = true;
        let mut execution = Execution::new(call);
        async move {
            match poll_fn(|cx| execution.poll_acquire(cx)).await {
                Ok(Some(result)) => return result,
                Ok(None) => {}
                Err(error) => return execution.refuse(error).0,
            }
            let mut body = LazyBody::Closure(body);
            {
                let _entered = execution.enter();
                execution.make(&mut body);
            }
            let mut body = body.without_closure();
            let engine = execution.engine().cloned();
            let rest = poll_fn(move |cx| execution.poll_body(&mut body, cx));
            FinishInBackground::in_context(rest, engine).await.0
        }
    }
}
