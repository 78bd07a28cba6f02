//! A store with fault injection.

use std::any::Any;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::fault_script::{Fault, METHODS, StoreMethod, When};
use crate::model::{RecordId, ScopeId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, DueCalls, Entry, Journal, Page,
    PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Resume, ResumeOutcome,
    Scan, ScopeUse, Store, StoreError, StoreErrorKind, StoreHealth, Suspend, Wait, WriteStep,
    WriteStepOutcome,
};

/// Wraps a store and makes chosen calls fail, hang, lose their answer, be late or be repeated. It also
/// counts all calls. It answers nothing [locally](Store::local), so it sees all of them. Clones share
/// the faults and the counts.
///
/// ```
/// use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
/// # use idempotent_core::Store;
///
/// # fn script(store: impl Store) {
/// let store = FaultyStore::new(store)
///     .on(StoreMethod::Complete, When::Nth(1), Fault::LoseAnswer)
///     .on(StoreMethod::Renew, When::Always, Fault::Fail);
/// assert_eq!(store.calls(StoreMethod::Complete), 0);
/// # }
/// ```
#[derive(Clone)]
pub struct FaultyStore<S> {
    store: S,
    script: Arc<Mutex<Script>>,
    counted: Arc<Notify>,
}

#[derive(Default)]
struct Script {
    calls: [usize; METHODS],
    answered: [usize; METHODS],
    faults: Vec<(StoreMethod, When, Fault)>,
}

impl<S: Store> FaultyStore<S> {
    /// Wraps `store`, without faults at first.
    pub fn new(store: S) -> Self {
        Self { store, script: Arc::default(), counted: Arc::default() }
    }

    /// Adds a fault. If several match a call, the one that was added last applies.
    #[must_use]
    pub fn on(self, method: StoreMethod, when: When, fault: Fault) -> Self {
        self.inject(method, when, fault);
        self
    }

    /// Adds a fault while the store is in use.
    pub fn inject(&self, method: StoreMethod, when: When, fault: Fault) {
        self.script().faults.push((method, when, fault));
    }

    /// Removes all faults. Calls that already hang keep hanging.
    pub fn heal(&self) {
        self.script().faults.clear();
    }

    /// How often a method was called, including failed calls.
    #[must_use]
    pub fn calls(&self, method: StoreMethod) -> usize {
        self.script().calls[method as usize]
    }

    /// How many calls of a method the wrapped store has answered, whether or not the caller got the answer. A
    /// call that is [repeated](Fault::Repeat) counts once.
    #[must_use]
    pub fn answered(&self, method: StoreMethod) -> usize {
        self.script().answered[method as usize]
    }

    /// Returns once a method was called `count` times, so that a test need not sleep until a caller has got so
    /// far. The store may not have acted on the call yet: for that there is
    /// [`until_answered`](Self::until_answered).
    pub fn until_called(
        &self,
        method: StoreMethod,
        count: usize,
    ) -> impl Future<Output = ()> + use<S> {
        self.until(move |script| script.calls[method as usize] >= count)
    }

    /// Returns once the wrapped store has answered `count` calls of a method: what they ask for has happened,
    /// even if the answer is lost, late or never given.
    ///
    /// ```
    /// use idempotent_core::backends::MemoryStore;
    /// use idempotent_core::engine::with_engine;
    /// use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
    /// use idempotent_core::{Error, Idempotency, idempotent};
    ///
    /// #[idempotent(key = order, name = "charge")]
    /// async fn charge(order: u32) -> Result<u32, Error> {
    ///     Ok(order)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let store = FaultyStore::new(MemoryStore::new())
    ///     .on(StoreMethod::Complete, When::Nth(1), Fault::HangAfter);
    /// let first = tokio::spawn(with_engine(Idempotency::new(store.clone()), charge(7)));
    /// store.until_answered(StoreMethod::Complete, 1).await;
    /// first.abort(); // the result is recorded, and nobody was told
    /// assert_eq!(with_engine(Idempotency::new(store), charge(7)).await?, 7);
    /// # Ok(()) }
    /// ```
    pub fn until_answered(
        &self,
        method: StoreMethod,
        count: usize,
    ) -> impl Future<Output = ()> + use<S> {
        self.until(move |script| script.answered[method as usize] >= count)
    }

    fn until<R: Fn(&Script) -> bool>(&self, reached: R) -> impl Future<Output = ()> + use<S, R> {
        let (script, counted) = (Arc::clone(&self.script), Arc::clone(&self.counted));
        async move {
            loop {
                let mut counted = pin!(counted.notified());
                // Enabled before it checks the count, so that no call in between is missed.
                counted.as_mut().enable();
                if reached(&script.lock().unwrap_or_else(PoisonError::into_inner)) {
                    return;
                }
                counted.await;
            }
        }
    }

    /// The wrapped store.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.store
    }

    fn inner_journal(&self) -> Result<&dyn Journal, StoreError> {
        self.store.journal().ok_or_else(|| injected(StoreErrorKind::Unavailable))
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and returns its fault.
    fn fault(&self, method: StoreMethod) -> Option<Fault> {
        let mut script = self.script();
        let occurrence = &mut script.calls[method as usize];
        *occurrence += 1;
        let occurrence = *occurrence;
        self.counted.notify_waiters();
        let mut faults = script.faults.iter().rev();
        faults
            .find(|(of, when, _)| *of == method && when.matches(occurrence))
            .map(|(_, _, fault)| *fault)
    }

    async fn perform<'a, T: Send>(
        &'a self,
        method: StoreMethod,
        call: impl Fn() -> StoreCall<'a, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let fault = self.fault(method);
        match fault {
            Some(Fault::Fail) => return Err(injected(StoreErrorKind::Unavailable)),
            Some(Fault::FailAs(kind)) => return Err(injected(kind)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Delay(by)) => tokio::time::sleep(by).await,
            Some(Fault::Repeat) => drop(call().await),
            Some(Fault::LoseAnswer | Fault::HangAfter | Fault::DelayAnswer(_)) | None => {}
        }
        let answer = call().await;
        self.script().answered[method as usize] += 1;
        self.counted.notify_waiters();
        match fault {
            Some(Fault::LoseAnswer) => Err(injected(StoreErrorKind::Timeout)),
            Some(Fault::HangAfter) => std::future::pending().await,
            Some(Fault::DelayAnswer(by)) => {
                tokio::time::sleep(by).await;
                answer
            }
            _ => answer,
        }
    }
}

/// A call to the wrapped store.
type StoreCall<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

fn injected(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "a fault injected by a test")
}

#[async_trait]
impl<S: Store> Journal for FaultyStore<S> {
    fn fences_by_suspend(&self) -> bool {
        self.store.journal().is_some_and(Journal::fences_by_suspend)
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        let journal = self.inner_journal()?;
        self.perform(StoreMethod::WriteStep, || journal.write_step(request)).await
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        let store = self.inner_journal()?;
        self.perform(StoreMethod::LoadSteps, || store.load_steps(id, journal)).await
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        let journal = self.inner_journal()?;
        self.perform(StoreMethod::Resume, || journal.resume(request)).await
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        let journal = self.inner_journal()?;
        self.perform(StoreMethod::Suspend, || journal.suspend(request)).await
    }
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    fn server(&self) -> Option<&str> {
        self.store.server()
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        self.store.check().await
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.perform(StoreMethod::Reserve, || self.store.reserve(request)).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.perform(StoreMethod::Renew, || self.store.renew(request)).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.perform(StoreMethod::Complete, || self.store.complete(request)).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.perform(StoreMethod::Release, || self.store.release(request)).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.perform(StoreMethod::Abandon, || self.store.abandon(request)).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.perform(StoreMethod::Wait, || self.store.wait(request)).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.perform(StoreMethod::Load, || self.store.load(id)).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.perform(StoreMethod::Purge, || self.store.purge(id)).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.perform(StoreMethod::Correct, || self.store.correct(request)).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.perform(StoreMethod::Scan, || self.store.scan(request)).await
    }

    fn journal(&self) -> Option<&dyn Journal> {
        self.store.journal().map(|_| self as &dyn Journal)
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        self.store.due_calls()
    }

    fn max_records(&self) -> Option<u64> {
        self.store.max_records()
    }

    async fn scope_use(&self, scope: &ScopeId, up_to: u64) -> Result<Option<ScopeUse>, StoreError> {
        self.store.scope_use(scope, up_to).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.store.tables()
    }

    fn observe_purges(&self, observer: Weak<dyn PurgeObserver>) -> bool {
        self.store.observe_purges(observer)
    }
}

impl<S> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("FaultyStore").field("faults", &script.faults).finish_non_exhaustive()
    }
}
