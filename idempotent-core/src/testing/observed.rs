//! A store that keeps count of what became of calls.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use crate::record::{Outcome, RecordId, Token};
use crate::store::{
    Complete, CompleteOutcome, Entry, Observer, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, State, Store, StoreError, Wait,
};

/// A store around another that tells how often an operation was executed, replayed or refused, as
/// far as the store's answers show it. It shows nothing [at hand](Store::at_hand), so that all calls
/// come by. Clones share the counts.
///
/// Operations are named as they are in the record: by `name = "charge"`, or by module path and
/// function.
///
/// ```
/// use std::sync::Arc;
///
/// use idempotent_core::record::Envelope;
/// use idempotent_core::store::{Complete, Reserve};
/// use idempotent_core::testing::Observed;
/// use idempotent_core::{RecordId, Store};
/// # use std::time::Duration;
///
/// # async fn test(store: Arc<dyn Store>) -> Result<(), Box<dyn std::error::Error>> {
/// let store = Observed::new(store);
/// # let id = RecordId::of("charge", None, &"order-1")?;
/// # let first = Reserve::new(&id, Envelope::new("charge"));
/// # store.reserve(&first).await?;
/// # let done = first.record().completed(b"receipt");
/// # store.complete(&Complete::new(&id, first.record(), &done, Duration::from_secs(60))).await?;
/// # store.reserve(&Reserve::new(&id, Envelope::new("charge"))).await?;
/// // … an engine on a clone of it, and two calls of `charge` with one key …
/// assert_eq!(store.executions("charge"), 1);
/// assert_eq!(store.replays("charge"), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Observed<S> {
    store: S,
    seen: Arc<Mutex<HashMap<String, Seen>>>,
}

/// How often things happened to one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Attempts that won their key, for the body to run. An attempt that asks again counts once.
    pub executions: usize,
    /// Results that were recorded. A result that is sent again counts once.
    pub completions: usize,
    /// Calls that found a result of theirs.
    pub replays: usize,
    /// Looks that found another call running. A call that waits looks more than once.
    pub conflicts: usize,
    /// Calls that found an outcome that nobody knows.
    pub indeterminate: usize,
    /// Calls that found the key used with another payload.
    pub mismatches: usize,
    /// Calls that found that their result was not kept.
    pub not_kept: usize,
}

#[derive(Default)]
struct Seen {
    tally: Tally,
    executed: HashSet<Token>,
    completed: HashSet<Token>,
}

impl<S: Store> Observed<S> {
    /// A store around `store`.
    pub fn new(store: S) -> Self {
        Self { store, seen: Arc::default() }
    }

    /// Everything that is counted of one operation.
    #[must_use]
    pub fn tally(&self, operation: &str) -> Tally {
        self.seen().get(operation).map_or_else(Tally::default, |seen| seen.tally)
    }

    /// How often a call won its key, for the operation's body to run.
    #[must_use]
    pub fn executions(&self, operation: &str) -> usize {
        self.tally(operation).executions
    }

    /// How often a recorded result was given instead.
    #[must_use]
    pub fn replays(&self, operation: &str) -> usize {
        self.tally(operation).replays
    }

    /// How often another call with the key was found running.
    #[must_use]
    pub fn conflicts(&self, operation: &str) -> usize {
        self.tally(operation).conflicts
    }

    /// How often an outcome that nobody knows was found.
    #[must_use]
    pub fn indeterminate(&self, operation: &str) -> usize {
        self.tally(operation).indeterminate
    }

    /// The store inside.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.store
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &RecordId, change: impl FnOnce(&mut Seen)) {
        change(self.seen().entry(id.operation().to_owned()).or_default());
    }
}

impl Seen {
    fn won(&mut self, token: Token) {
        if self.executed.insert(token) {
            self.tally.executions += 1;
        }
    }

    fn recorded(&mut self, token: Token) {
        if self.completed.insert(token) {
            self.tally.completions += 1;
        }
    }

    /// Payload before conflict before replay, as the engine judges it.
    fn taken(&mut self, request: &Reserve<'_>, entry: &Entry) {
        let payloads = entry.record.fingerprint().zip(request.record().fingerprint());
        let count = if payloads.is_some_and(|(recorded, own)| recorded != own) {
            &mut self.tally.mismatches
        } else {
            match (entry.state, entry.record.outcome()) {
                (State::Reserved | State::Lapsed, _) => &mut self.tally.conflicts,
                (State::Indeterminate, _) => &mut self.tally.indeterminate,
                (State::Completed, Outcome::NotKept(_)) => &mut self.tally.not_kept,
                (State::Completed, _) => &mut self.tally.replays,
            }
        };
        *count += 1;
    }
}

#[async_trait]
impl<S: Store> Store for Observed<S> {
    fn answers_within(&self) -> Option<Duration> {
        self.store.answers_within()
    }

    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let outcome = self.store.reserve(request).await?;
        self.note(request.id, |seen| match &outcome {
            ReserveOutcome::Won => seen.won(request.token()),
            ReserveOutcome::Taken(entry) => seen.taken(request, entry),
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
            self.note(request.id, |seen| seen.recorded(token));
        }
        Ok(outcome)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.store.release(request).await
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

    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        self.store.scan(request).await
    }

    fn tables(&self) -> Option<&(dyn Any + Send + Sync)> {
        self.store.tables()
    }

    fn observe(&self, observer: Weak<dyn Observer>) -> bool {
        self.store.observe(observer)
    }
}

impl<S> fmt::Debug for Observed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let tallies = seen.iter().map(|(operation, seen)| (operation, seen.tally));
        f.debug_map().entries(tallies).finish()
    }
}
