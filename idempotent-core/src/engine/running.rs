//! The call that runs here: what a body can learn of the call it belongs to.
//!
//! Each poll of a body enters its call, and leaves it again; a call within a call hides the outer
//! one meanwhile.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::heartbeat::Live;
use crate::record::{DerivedKey, RecordId, Token};

thread_local! {
    static RUNNING: Cell<Option<Current>> = const { Cell::new(None) };
}

/// The idempotent call whose body runs here, if one does: the innermost.
///
/// Tasks that a body spawns are not part of the call, unless they are given it by
/// [`Current::scope`].
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
pub fn current() -> Option<Current> {
    let here = swap(None);
    swap(here.clone());
    here
}

/// A running idempotent call. See [`current`]. Clones are the same call.
#[derive(Clone)]
pub struct Current(Call);

#[derive(Clone)]
enum Call {
    Reserved(Arc<Live>),
    Unleased(Arc<Unleased>),
}

/// A call without a lease: within a transaction, or without a record in an engine that fails open.
struct Unleased {
    id: RecordId,
    token: Option<Token>,
    depth: u32,
    turns: Turns,
}

/// How often each label was asked for in this run of the call.
#[derive(Default)]
pub(super) struct Turns(Mutex<BTreeMap<String, u32>>);

impl Turns {
    fn next(&self, label: &str) -> u32 {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match turns.get_mut(label) {
            Some(turn) => {
                *turn = turn.saturating_add(1);
                *turn
            }
            None => {
                turns.insert(label.to_owned(), 0);
                0
            }
        }
    }
}

impl Current {
    pub(super) fn reserved(live: &Arc<Live>) -> Self {
        Self(Call::Reserved(Arc::clone(live)))
    }

    pub(super) fn unrecorded(id: RecordId) -> Self {
        Self::unleased(id, None, 0)
    }

    /// A call within a transaction, `depth` of them within one another.
    pub(super) fn within(id: RecordId, token: Token, depth: u32) -> Self {
        Self::unleased(id, Some(token), depth)
    }

    fn unleased(id: RecordId, token: Option<Token>, depth: u32) -> Self {
        Self(Call::Unleased(Arc::new(Unleased { id, token, depth, turns: Turns::default() })))
    }

    /// How many calls within transactions are around what runs here, this one included.
    pub(super) fn depth(&self) -> u32 {
        match &self.0 {
            Call::Reserved(_) => 0,
            Call::Unleased(call) => call.depth,
        }
    }

    /// The call's record. It is the same whenever the call runs again.
    #[must_use]
    pub fn record_id(&self) -> &RecordId {
        match &self.0 {
            Call::Reserved(live) => &live.id,
            Call::Unleased(call) => &call.id,
        }
    }

    /// This attempt's fencing token, for other systems that can check one; `None` where the engine
    /// fails open. It is another one whenever the call runs again.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        match &self.0 {
            Call::Reserved(live) => Some(live.reservation.token()),
            Call::Unleased(call) => call.token,
        }
    }

    /// The key for this call's one request to the system called `label`: the same however often it
    /// is asked for, and the same when the call runs again after a crash.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        self.record_id().derive(label)
    }

    /// A key for this call's next request to the system called `label`: another one each time, and
    /// the same ones **in the same order** when the call runs again.
    ///
    /// A body whose requests change their order from run to run gives them labels of their own, and
    /// takes [`derive`](Self::derive).
    #[must_use]
    pub fn derive_next(&self, label: &str) -> DerivedKey {
        let turns = match &self.0 {
            Call::Reserved(live) => &live.turns,
            Call::Unleased(call) => &call.turns,
        };
        self.record_id().derive_nth(label, turns.next(label))
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
        Scoped { call: Some(self), future }
    }

    /// Makes this the call that runs on this thread, until the answer is dropped.
    pub(crate) fn enter(self) -> Entered {
        Entered(swap(Some(self)))
    }
}

pin_project_lite::pin_project! {
    /// A future that is a part of a call, if there is one. An `async fn` would have room for it twice.
    pub(crate) struct Scoped<F> {
        pub(crate) call: Option<Current>,
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.call.clone().map(Current::enter);
        this.future.poll(cx)
    }
}

/// A body that is being polled. It holds the call that was entered before.
pub(crate) struct Entered(Option<Current>);

impl Drop for Entered {
    fn drop(&mut self) {
        swap(self.0.take());
    }
}

fn swap(current: Option<Current>) -> Option<Current> {
    RUNNING.try_with(|running| running.replace(current)).ok().flatten()
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current")
            .field("record_id", self.record_id())
            .field("token", &self.token())
            .finish()
    }
}
