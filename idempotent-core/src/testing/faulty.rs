//! A store whose chosen calls go wrong in a chosen way.

use std::any::Any;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::fault::{Call, Fault, When};
use crate::record::RecordId;
use crate::store::{
    Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError, StoreErrorKind, Wait,
};

/// A store around another whose chosen calls fail, hang, lose their answer, come late or come
/// twice. It counts all calls, and shows nothing [at hand](Store::at_hand), so that all of them come
/// by. Clones share the script and the counts.
///
/// ```
/// use idempotent_core::testing::{Call, Fault, FaultyStore, When};
/// # use idempotent_core::Store;
///
/// # fn script(store: impl Store) {
/// let store = FaultyStore::new(store)
///     .on(Call::Complete, When::Nth(1), Fault::LoseAnswer)
///     .on(Call::Renew, When::Always, Fault::Fail);
/// assert_eq!(store.calls(Call::Complete), 0);
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
    calls: [usize; 8],
    faults: Vec<(Call, When, Fault)>,
}

impl<S: Store> FaultyStore<S> {
    /// A store around `store` that does as it does.
    pub fn new(store: S) -> Self {
        Self { store, script: Arc::default(), counted: Arc::default() }
    }

    /// The same store with one more fault in its script. Where several fit a call, the one that was
    /// added last befalls it.
    #[must_use]
    pub fn on(self, call: Call, when: When, fault: Fault) -> Self {
        self.inject(call, when, fault);
        self
    }

    /// Adds a fault to the script of a store that is in use.
    pub fn inject(&self, call: Call, when: When, fault: Fault) {
        self.script().faults.push((call, when, fault));
    }

    /// Forgets all faults. Calls that hang already go on hanging.
    pub fn heal(&self) {
        self.script().faults.clear();
    }

    /// How often a method was called, calls that went wrong included.
    #[must_use]
    pub fn calls(&self, call: Call) -> usize {
        self.script().calls[call as usize]
    }

    /// Returns once a method was called so often: a test's way to know that a call has come as far
    /// as the store, without sleeping.
    pub async fn until_called(&self, call: Call, count: usize) {
        loop {
            let mut counted = pin!(self.counted.notified());
            // Enlisted before the look, so a call between the two is not missed.
            counted.as_mut().enable();
            if self.calls(call) >= count {
                return;
            }
            counted.await;
        }
    }

    /// The store inside.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.store
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one call, and gives what befalls it.
    fn fault(&self, call: Call) -> Option<Fault> {
        let mut script = self.script();
        let occurrence = &mut script.calls[call as usize];
        *occurrence += 1;
        let occurrence = *occurrence;
        self.counted.notify_waiters();
        let mut faults = script.faults.iter().rev();
        faults.find(|(of, when, _)| *of == call && when.is(occurrence)).map(|(_, _, fault)| *fault)
    }

    async fn perform<'a, T: Send>(
        &'a self,
        call: Call,
        act: impl Fn() -> Act<'a, T> + Send + Sync,
    ) -> Result<T, StoreError> {
        let fault = self.fault(call);
        match fault {
            Some(Fault::Fail) => return Err(injected(StoreErrorKind::Unavailable)),
            Some(Fault::FailAs(kind)) => return Err(injected(kind)),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Delay(by)) => tokio::time::sleep(by).await,
            Some(Fault::Repeat) => drop(act().await),
            Some(Fault::LoseAnswer | Fault::HangAfter | Fault::DelayAnswer(_)) | None => {}
        }
        let answer = act().await;
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

/// What the store inside is doing.
type Act<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

fn injected(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "a fault that a test injected")
}

#[async_trait]
impl<S: Store> Store for FaultyStore<S> {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.perform(Call::Reserve, || self.store.reserve(request)).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.perform(Call::Renew, || self.store.renew(request)).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.perform(Call::Complete, || self.store.complete(request)).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.perform(Call::Release, || self.store.release(request)).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.perform(Call::Wait, || self.store.wait(request)).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.perform(Call::Load, || self.store.load(id)).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.perform(Call::Purge, || self.store.purge(id)).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.perform(Call::Scan, || self.store.scan(request)).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.store.tables()
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        self.store.observe(observer)
    }
}

impl<S> fmt::Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("FaultyStore").field("faults", &script.faults).finish_non_exhaustive()
    }
}
