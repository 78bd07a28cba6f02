//! A store that counts what became of calls.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{Outcome, RecordId, ScopeId, StepEntry, StepId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Correct, CorrectOutcome, DueCalls, Entry, Journal, Page,
    PurgeObserver, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Resume, ResumeOutcome,
    Scan, ScopeUse, State, Store, StoreError, StoreErrorKind, StoreHealth, Suspend, Wait,
    WriteStep, WriteStepOutcome,
};

/// Wraps a store and counts how often an operation was executed, replayed or refused, so far as the
/// store's answers show it. It answers nothing [locally](Store::local), so it sees all calls. Clones
/// share the counts.
///
/// An operation goes by the name in its records: `name = "charge"`, or its module path and function.
///
/// ```
/// use std::sync::Arc;
///
/// use idempotent_core::Store;
/// use idempotent_core::testing::ObservedStore;
/// # use idempotent_core::model::{Envelope, RecordId};
/// # use idempotent_core::store::{Complete, Reserve};
/// # use std::time::Duration;
///
/// # async fn test(store: Arc<dyn Store>) -> Result<(), Box<dyn std::error::Error>> {
/// let store = ObservedStore::new(store);
/// # let id = RecordId::of("charge", None, &"order-1")?;
/// # let first = Reserve::new(&id, Envelope::new("charge"));
/// # store.reserve(&first).await?;
/// # let done = first.record().completed(b"receipt");
/// # store.complete(&Complete::new(&id, first.record(), &done, Duration::from_secs(60))).await?;
/// # store.reserve(&Reserve::new(&id, Envelope::new("charge"))).await?;
/// // … an engine with a clone of it, and two calls of `charge` with the same key …
/// assert_eq!(store.executions("charge"), 1);
/// assert_eq!(store.replays("charge"), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ObservedStore<S> {
    store: S,
    observations: Arc<Mutex<HashMap<String, Observations>>>,
}

/// What became of the calls of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationCounts {
    /// Attempts that reserved their key, so that the body runs. A repeated request counts once.
    pub executions: usize,
    /// Results that were recorded. A repeated request counts once.
    pub completions: usize,
    /// Calls that found a recorded result.
    pub replays: usize,
    /// Requests that found another call running. A waiting call sends several.
    pub conflicts: usize,
    /// Calls that found an indeterminate outcome.
    pub indeterminate: usize,
    /// Calls that found the key used with another payload.
    pub mismatches: usize,
    /// Calls whose result was not kept.
    pub not_kept: usize,
}

#[derive(Default)]
struct Observations {
    counts: OperationCounts,
    executed: HashSet<Token>,
    completed: HashSet<Token>,
}

impl<S: Store> ObservedStore<S> {
    /// Wraps `store`.
    pub fn new(store: S) -> Self {
        Self { store, observations: Arc::default() }
    }

    /// All counts of one operation.
    #[must_use]
    pub fn counts(&self, operation: &str) -> OperationCounts {
        self.observations()
            .get(operation)
            .map_or_else(OperationCounts::default, |observations| observations.counts)
    }

    /// How often a call reserved its key, so that the operation's body runs.
    #[must_use]
    pub fn executions(&self, operation: &str) -> usize {
        self.counts(operation).executions
    }

    /// How often a recorded result was returned instead.
    #[must_use]
    pub fn replays(&self, operation: &str) -> usize {
        self.counts(operation).replays
    }

    /// How often another call with the same key was found running.
    #[must_use]
    pub fn conflicts(&self, operation: &str) -> usize {
        self.counts(operation).conflicts
    }

    /// How often an indeterminate outcome was found.
    #[must_use]
    pub fn indeterminate(&self, operation: &str) -> usize {
        self.counts(operation).indeterminate
    }

    /// The wrapped store.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.store
    }

    fn inner_journal(&self) -> Result<&dyn Journal, StoreError> {
        self.store.journal().ok_or_else(|| {
            StoreError::new(StoreErrorKind::Unavailable, "the wrapped store keeps no journals")
        })
    }

    fn observations(&self) -> MutexGuard<'_, HashMap<String, Observations>> {
        self.observations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &RecordId, change: impl FnOnce(&mut Observations)) {
        change(self.observations().entry(id.operation().to_owned()).or_default());
    }
}

impl Observations {
    fn won(&mut self, token: Token) {
        if self.executed.insert(token) {
            self.counts.executions += 1;
        }
    }

    fn recorded(&mut self, token: Token) {
        if self.completed.insert(token) {
            self.counts.completions += 1;
        }
    }

    /// Checks fingerprint, state and outcome in the order of the engine.
    fn taken(&mut self, request: &Reserve<'_>, entry: &Entry) {
        let payloads = entry.record.fingerprint().zip(request.record().fingerprint());
        let count = if payloads.is_some_and(|(recorded, own)| recorded != own) {
            &mut self.counts.mismatches
        } else {
            match (entry.state, entry.record.outcome()) {
                (State::Reserved | State::Lapsed | State::Suspended, _) => {
                    &mut self.counts.conflicts
                }
                (State::Indeterminate, _) => &mut self.counts.indeterminate,
                (State::Completed, Outcome::NotKept(_)) => &mut self.counts.not_kept,
                (State::Completed, _) => &mut self.counts.replays,
            }
        };
        *count += 1;
    }
}

#[async_trait]
impl<S: Store> Journal for ObservedStore<S> {
    fn response_timeout(&self) -> Option<Duration> {
        self.store.journal()?.response_timeout()
    }

    fn fences_by_suspend(&self) -> bool {
        self.store.journal().is_some_and(Journal::fences_by_suspend)
    }

    async fn write_step(&self, request: &WriteStep<'_>) -> Result<WriteStepOutcome, StoreError> {
        self.inner_journal()?.write_step(request).await
    }

    async fn load_steps(
        &self,
        id: &RecordId,
        journal: Token,
    ) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
        self.inner_journal()?.load_steps(id, journal).await
    }

    async fn resume(&self, request: &Resume<'_>) -> Result<ResumeOutcome, StoreError> {
        let outcome = self.inner_journal()?.resume(request).await?;
        if let ResumeOutcome::Won = outcome {
            let token = request.record.token();
            self.note(request.id, |observations| observations.won(token));
        }
        Ok(outcome)
    }

    async fn suspend(&self, request: &Suspend<'_>) -> Result<(), StoreError> {
        self.inner_journal()?.suspend(request).await
    }
}

#[async_trait]
impl<S: Store> Store for ObservedStore<S> {
    fn is_in_process(&self) -> bool {
        self.store.is_in_process()
    }

    fn response_timeout(&self) -> Option<Duration> {
        self.store.response_timeout()
    }

    fn server(&self) -> Option<&str> {
        self.store.server()
    }

    async fn check(&self) -> Result<StoreHealth, StoreError> {
        self.store.check().await
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let outcome = self.store.reserve(request).await?;
        self.note(request.id, |observations| match &outcome {
            ReserveOutcome::Won => observations.won(request.token()),
            ReserveOutcome::Taken(entry) => observations.taken(request, entry),
        });
        Ok(outcome)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.store.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let outcome = self.store.complete(request).await?;
        if let CompleteOutcome::Recorded = outcome {
            let token = request.reservation.token();
            self.note(request.id, |observations| observations.recorded(token));
        }
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.store.release(request).await
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        self.store.abandon(request).await
    }

    async fn wait(&self, request: &Wait<'_>) -> Result<(), StoreError> {
        self.store.wait(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        self.store.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.store.purge(id).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.store.correct(request).await
    }

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.store.scan(request).await
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

impl<S> fmt::Debug for ObservedStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observations = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
        let counts =
            observations.iter().map(|(operation, observations)| (operation, observations.counts));
        f.debug_map().entries(counts).finish()
    }
}
