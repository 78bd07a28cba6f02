//! [`crash`]: a part of a test that dies as a process does.

use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::Poll;

use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::Idempotency;
use crate::engine::{task_engine, with_engine};

/// Runs `process` as a process of its own that dies when it ends, or sooner: [`when`](Crash::when) something has
/// happened.
///
/// It dies as by `kill -9`. What it spawned does not go on, leases are no longer renewed, and nothing is dropped:
/// no destructor releases a reservation. The records stay, if the store was made outside. This is not what
/// happens to a future that is dropped, as when a client hangs up: that one is still there to release its key.
///
/// `process` has a runtime and a thread of its own. It has the engine of the current task if there is one; the
/// in-flight limits of that engine are not given back, since the process would have had an engine to itself. What
/// dies keeps its memory, its locks and the sockets that it opened, until the test's process ends. Blocking tasks
/// run on.
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::testing::{self, StoreMethod};
/// use idempotent_core::{Error, ErrorKind, idempotent};
///
/// #[idempotent(key = order, name = "charge", guarantee = at_most_once)]
/// async fn charge(order: u32) -> Result<u32, Error> {
///     // The provider has been asked, and has not answered.
///     # if order == 7 { std::future::pending::<()>().await; }
///     Ok(order)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let test = testing::engine();
/// test.run(async {
///     let reserved = test.store().until_answered(StoreMethod::Reserve, 1);
///     assert!(testing::crash(charge(7)).when(reserved).await.is_none());
///
///     test.clock().advance(Duration::from_secs(60)); // its lease has lapsed
///     assert_eq!(charge(7).await.unwrap_err().kind(), ErrorKind::Indeterminate);
/// })
/// .await;
/// # }
/// ```
///
/// # Panics
///
/// When it is awaited, if `process` panics, or outside of a Tokio runtime.
pub fn crash<F>(process: F) -> Crash<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    Crash { engine: task_engine(), process }
}

/// A process that dies when its future ends. See [`crash`].
#[must_use = "nothing runs before it is awaited"]
pub struct Crash<F> {
    engine: Option<Idempotency>,
    process: F,
}

impl<F> Crash<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Has this engine instead of that of the current task.
    #[cfg(feature = "moka")]
    pub(super) fn within(mut self, engine: Idempotency) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Dies as soon as `moment` is over, and returns the output of the process if it ended before.
    ///
    /// This is looked at whenever the process waits for something, so it goes on until it does: let the body wait,
    /// or let a store call hang with [`Fault::HangAfter`](super::Fault::HangAfter).
    ///
    /// Assert that it is `None`. Otherwise a test in which nothing crashed, since the process was faster, passes all
    /// the same.
    #[must_use = "it is `Some` if the process ended and nothing crashed: assert that it is `None`"]
    pub async fn when<M>(self, moment: M) -> Option<F::Output>
    where
        M: Future<Output: Send> + Send + 'static,
    {
        run(self.engine, self.process, moment).await
    }
}

impl<F> IntoFuture for Crash<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;
    type IntoFuture = Pin<Box<dyn Future<Output = F::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            match run(self.engine, self.process, std::future::pending::<()>()).await {
                Some(output) => output,
                None => std::future::pending().await,
            }
        })
    }
}

async fn run<F, M>(engine: Option<Idempotency>, process: F, moment: M) -> Option<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
    M: Future<Output: Send> + Send + 'static,
{
    let process = async {
        match engine {
            Some(engine) => with_engine(engine, process).await,
            None => process.await,
        }
    };
    // Not a thread of its own: while a blocking task runs, time that is paused does not pass by itself.
    match spawn_blocking(|| live_and_die(process, moment)).await {
        Ok(output) => output,
        Err(error) => resume_unwind(error.into_panic()),
    }
}

fn live_and_die<F: Future, M: Future>(process: F, moment: M) -> Option<F::Output> {
    let runtime =
        Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    let (mut process, mut moment) = (Box::pin(process), Box::pin(moment));
    let output = runtime.block_on(poll_fn(|cx| {
        if moment.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = process.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        moment.as_mut().poll(cx).map(|_| None)
    }));
    // Whoever dies drops nothing, and this runtime is never driven again.
    mem::forget(process);
    mem::forget(runtime);
    output
}

impl<F> fmt::Debug for Crash<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crash").finish_non_exhaustive()
    }
}
