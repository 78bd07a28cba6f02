//! [`CurrentCall`]: what a body can learn about the call it belongs to.
//!
//! Each poll of a body enters its call and leaves it again. A call inside a call hides the outer
//! one meanwhile.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tracing::Span;

use super::lease_state::Lease;
use super::outer_call::{Nesting, OuterCall, is_within};
use super::step_scope::StepScope;
use crate::error::Error;
use crate::model::{DerivedKey, RecordId, Token};

thread_local! {
    static RUNNING: Cell<Option<CurrentCall>> = const { Cell::new(None) };
}

/// Returns the idempotent call whose body runs here, if any: the innermost one.
///
/// A task that a body spawns is not part of the call, unless it runs in [`CurrentCall::scope`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
/// use idempotent_core::{Error, current, idempotent};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<String, Error> {
///     let key = current().map(|call| call.derive("stripe").to_string());
///     Ok(key.unwrap_or_default()) // send it along with the charge
/// }
///
/// assert_eq!(charge(7).await?.len(), 36);
/// assert!(current().is_none());
/// # Ok(()) }
/// ```
#[must_use]
pub fn current() -> Option<CurrentCall> {
    let here = swap(None);
    swap(here.clone());
    here
}

/// A running idempotent call. [`current`] returns it. Clones are the same call.
#[derive(Clone)]
pub struct CurrentCall(Call);

#[derive(Clone)]
enum Call {
    Leased(Arc<Lease>),
    Unleased(Arc<Unleased>),
    /// A step of a call with a lease.
    Step(Arc<StepScope>),
}

/// A call without a lease: in a transaction, or without a record because the engine fails open.
struct Unleased {
    id: RecordId,
    token: Option<Token>,
    depth: u32,
    nesting: Nesting,
}

impl OuterCall for Unleased {
    fn id(&self) -> &RecordId {
        &self.id
    }

    fn token(&self) -> Option<Token> {
        self.token
    }

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn is_in_transaction(&self) -> bool {
        self.depth > 0
    }

    fn resumable_for(&self) -> Option<Duration> {
        None
    }
}

impl CurrentCall {
    pub(super) fn leased(lease: &Arc<Lease>) -> Self {
        Self(Call::Leased(Arc::clone(lease)))
    }

    pub(in crate::engine) fn unrecorded(id: RecordId) -> Self {
        Self::unleased(id, None, 0)
    }

    /// A call in a transaction, nested `depth` deep.
    pub(in crate::engine) fn in_transaction(id: RecordId, token: Token, depth: u32) -> Self {
        Self::unleased(id, Some(token), depth)
    }

    fn unleased(id: RecordId, token: Option<Token>, depth: u32) -> Self {
        let nesting = Nesting::new(current().map(Self::into_outer_call));
        Self(Call::Unleased(Arc::new(Unleased { id, token, depth, nesting })))
    }

    pub(in crate::engine) const fn of_step(step: Arc<StepScope>) -> Self {
        Self(Call::Step(step))
    }

    /// What a step is a part of.
    pub(in crate::engine) fn around(step: &StepScope) -> Self {
        Self(match &step.outer {
            Some(outer) => Call::Step(Arc::clone(outer)),
            None => Call::Leased(Arc::clone(&step.lease)),
        })
    }

    /// The lease that its steps belong to, and the step that it is itself. `None` if it has no lease, and so no steps.
    pub(in crate::engine) fn steps(&self) -> Option<(&Arc<Lease>, Option<&Arc<StepScope>>)> {
        match &self.0 {
            Call::Leased(lease) => Some((lease, None)),
            Call::Step(step) => Some((&step.lease, Some(step))),
            Call::Unleased(_) => None,
        }
    }

    fn as_outer_call(&self) -> &dyn OuterCall {
        match &self.0 {
            Call::Leased(lease) => &**lease,
            Call::Unleased(call) => &**call,
            Call::Step(step) => &**step,
        }
    }

    pub(in crate::engine) fn into_outer_call(self) -> Arc<dyn OuterCall> {
        match self.0 {
            Call::Leased(lease) => lease,
            Call::Unleased(call) => call,
            Call::Step(step) => step,
        }
    }

    /// Whether this is the call with that token, or its body makes this call, however indirectly.
    pub(in crate::engine) fn is_or_is_within(&self, token: Token) -> bool {
        is_within(self.as_outer_call(), |call| call.token() == Some(token))
    }

    /// The same by the record's id.
    pub(in crate::engine) fn is_or_is_within_record(&self, id: &RecordId) -> bool {
        is_within(self.as_outer_call(), |call| call.id() == id)
    }

    /// The same, if the call with that record runs in a transaction.
    pub(in crate::engine) fn is_or_is_within_transaction_of(&self, id: &RecordId) -> bool {
        is_within(self.as_outer_call(), |call| call.is_in_transaction() && call.id() == id)
    }

    /// Whether another call may hold the key by now: the lease was lost, or has lapsed while this process was frozen.
    #[cfg(feature = "consumer")]
    pub(crate) fn has_lost_its_lease(&self) -> bool {
        match &self.0 {
            Call::Leased(lease) => lease.is_lost() || lease.remaining().is_zero(),
            Call::Step(step) => step.lease.is_lost(),
            Call::Unleased(_) => false,
        }
    }

    /// Whether it has lost its lease because the store did not answer, or has forgotten it, and nobody is known to have its
    /// key.
    #[cfg(feature = "consumer")]
    pub(crate) fn is_cut_off(&self) -> bool {
        match &self.0 {
            Call::Leased(lease) => lease.is_unanswered(),
            Call::Step(_) | Call::Unleased(_) => false,
        }
    }

    /// Finds out who has the key if the lease is lost, as long as the body runs.
    #[cfg(feature = "consumer")]
    pub(crate) fn follow_its_key(&self) {
        if let Call::Leased(lease) = &self.0 {
            lease.follow();
        }
    }

    /// Reports that the call is recorded for so long, to those whose bodies make it.
    pub(in crate::engine) fn report_recorded(&self, ttl: Duration) {
        let call = self.as_outer_call();
        call.nesting().report_recorded(call.id(), ttl);
    }

    /// Notes that a call was refused that this call's body makes.
    pub(crate) fn set_refused(&self, error: &Error) {
        self.as_outer_call().nesting().set_refused(error.status());
    }

    /// The HTTP status of the last call that the body made and that was refused.
    pub(in crate::engine) fn refused_status(&self) -> Option<u16> {
        self.as_outer_call().nesting().refused_status()
    }

    /// How deeply calls in transactions are nested here, this one included.
    pub(in crate::engine) fn depth(&self) -> u32 {
        match &self.0 {
            Call::Leased(_) | Call::Step(_) => 0,
            Call::Unleased(call) => call.depth,
        }
    }

    /// The id of the call's record. It is the same each time the call runs.
    #[must_use]
    pub fn record_id(&self) -> &RecordId {
        self.as_outer_call().id()
    }

    /// This attempt's fencing token, for other systems that can check one. It differs each time the
    /// call runs. `None` if the body runs without a record because the engine fails open.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.as_outer_call().token()
    }

    /// The key for this call's only request to the system called `label`. It is always the same,
    /// also when the call runs again after a crash. Inside a step it is the key of that step's only request.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        match &self.0 {
            Call::Step(step) => step.id.derive(label),
            Call::Leased(_) | Call::Unleased(_) => self.record_id().derive(label),
        }
    }

    /// A key for this call's next request to the system called `label`, or this step's: a different one each time,
    /// and the same ones **in the same order** when the call runs again.
    ///
    /// If a body's requests may change their order from run to run, give each its own label and use
    /// [`derive`](Self::derive).
    #[must_use]
    pub fn derive_next(&self, label: &str) -> DerivedKey {
        let counters = &self.as_outer_call().nesting().label_counters;
        let nth = counters.next(label);
        match &self.0 {
            Call::Step(step) => step.id.derive_nth(label, nth),
            Call::Leased(_) | Call::Unleased(_) => self.record_id().derive_nth(label, nth),
        }
    }

    /// Runs `future` as a part of this call: for tasks that a body spawns, and for work under a
    /// [`Reservation`](crate::Reservation).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// use idempotent_core::{Error, Operation, current};
    ///
    /// let call = Operation::new("charge").key("order 7").returning::<Result<bool, Error>>();
    /// let inherited = call.run(|| async {
    ///     let Some(call) = current() else { return Ok(false) };
    ///     let task = tokio::spawn(call.scope(async { current().is_some() }));
    ///     Ok(task.await.unwrap_or(false))
    /// });
    /// assert!(inherited.await?);
    /// # Ok(()) }
    /// ```
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        InCurrentCall { call: Some(self), span: None, future }
    }

    /// Makes this the current call of this thread, until the guard is dropped.
    pub(crate) fn enter(self) -> CurrentCallGuard {
        CurrentCallGuard(swap(Some(self)))
    }
}

pin_project_lite::pin_project! {
    /// A future that is part of a call, if there is one. An `async fn` would store the future
    /// twice.
    pub(crate) struct InCurrentCall<F> {
        pub(crate) call: Option<CurrentCall>,
        // The call's span, if it is to be entered as well, and somebody records it.
        pub(crate) span: Option<Box<Span>>,
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for InCurrentCall<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.call.clone().map(CurrentCall::enter);
        let _in_span = this.span.as_deref().map(Span::enter);
        this.future.poll(cx)
    }
}

/// The guard of a body that is being polled. Dropping it restores the previous call.
pub(crate) struct CurrentCallGuard(Option<CurrentCall>);

impl Drop for CurrentCallGuard {
    fn drop(&mut self) {
        swap(self.0.take());
    }
}

fn swap(current: Option<CurrentCall>) -> Option<CurrentCall> {
    RUNNING.try_with(|running| running.replace(current)).ok().flatten()
}

impl fmt::Debug for CurrentCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentCall")
            .field("record_id", self.record_id())
            .field("token", &self.token())
            .finish()
    }
}
