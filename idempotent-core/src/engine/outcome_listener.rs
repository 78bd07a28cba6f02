//! [`OutcomeOf`]: hears how a call ended that is made inside a future, such as that of an annotated function.
//!
//! The listener is in a thread-local while the future is polled. The first call that starts there takes it, so neither
//! the calls that its body makes nor later ones are heard of.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use crate::model::CallOutcome;

thread_local! {
    static LISTENER: Cell<Option<Arc<OutcomeListener>>> = const { Cell::new(None) };
}

/// Whether anybody has ever listened. Few programs do, and then a call pays no more than this look.
static IS_USED: AtomicBool = AtomicBool::new(false);

/// Where a call says how it ended.
#[derive(Default)]
pub(super) struct OutcomeListener {
    is_taken: AtomicBool,
    outcome: OnceLock<CallOutcome>,
}

impl OutcomeListener {
    /// The listener of a call that starts here.
    pub(super) fn take() -> Option<Arc<Self>> {
        if !IS_USED.load(Ordering::Relaxed) {
            return None;
        }
        let listener = LISTENER.try_with(Cell::take).ok().flatten()?;
        listener.is_taken.store(true, Ordering::Relaxed);
        Some(listener)
    }

    pub(super) fn ended(&self, outcome: CallOutcome) {
        let _ = self.outcome.set(outcome);
    }
}

/// Runs a future, and also returns how the idempotent call ended that it makes: for annotated functions, whose callers
/// want to know whether this was a replay. It is what [`Call::run_with_outcome`](crate::Call::run_with_outcome) is
/// without the attribute.
///
/// If the future makes several calls, it is about the first one; calls that its body makes do not count. `None` if it
/// makes none, or only in tasks that it spawns.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use idempotent_core::call::{CallOutcome, outcome_of};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<String, Error> {
///     Ok(format!("receipt {order}"))
/// }
///
/// let (receipt, outcome) = outcome_of(charge(7)).await;
/// assert_eq!((receipt.unwrap().as_str(), outcome), ("receipt 7", Some(CallOutcome::Executed)));
/// let (receipt, outcome) = outcome_of(charge(7)).await;
/// assert_eq!((receipt.unwrap().as_str(), outcome), ("receipt 7", Some(CallOutcome::Replayed)));
/// # }
/// ```
pub fn outcome_of<F: Future>(future: F) -> OutcomeOf<F> {
    IS_USED.store(true, Ordering::Relaxed);
    OutcomeOf { listener: Arc::default(), future }
}

pin_project_lite::pin_project! {
    /// The future of [`outcome_of`].
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct OutcomeOf<F> {
        listener: Arc<OutcomeListener>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for OutcomeOf<F> {
    type Output = (F::Output, Option<CallOutcome>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let is_taken = this.listener.is_taken.load(Ordering::Relaxed);
        let here = (!is_taken).then(|| Arc::clone(this.listener));
        let _listening = Listening(swap(here));
        let output = ready!(this.future.poll(cx));
        Poll::Ready((output, this.listener.outcome.get().copied()))
    }
}

impl<F> fmt::Debug for OutcomeOf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeOf").finish_non_exhaustive()
    }
}

/// Restores the listener outside of the future, also if that panics.
struct Listening(Option<Arc<OutcomeListener>>);

impl Drop for Listening {
    fn drop(&mut self) {
        swap(self.0.take());
    }
}

fn swap(listener: Option<Arc<OutcomeListener>>) -> Option<Arc<OutcomeListener>> {
    LISTENER.try_with(|here| here.replace(listener)).ok().flatten()
}
