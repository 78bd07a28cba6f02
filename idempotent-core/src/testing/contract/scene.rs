//! The words that the cases are written in: one id, its owners, and what they ask the store.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::subject::Subject;
use crate::record::{Envelope, Guarantee, Record, RecordId, Token};
use crate::store::{
    Complete, CompleteOutcome, Entry, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Store,
    StoreError, Vacant, Wait,
};

/// The operation of ids that a case does not name.
const OPERATION: &str = "contract::case";

/// One id that nobody else uses, in the store under test.
#[derive(Clone)]
pub(super) struct Scene {
    pub(super) subject: Arc<dyn Subject>,
    pub(super) store: Arc<dyn Store>,
    pub(super) id: RecordId,
}

/// One attempt: the reservation it wrote, or would have written.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) reservation: Record,
}

impl Owner {
    /// An attempt that the store has never heard of.
    pub(super) fn unknown() -> Self {
        Self { reservation: Record::reserved(&Envelope::new(OPERATION), Token::random()) }
    }

    pub(super) fn token(&self) -> Token {
        self.reservation.token()
    }

    pub(super) fn completed(&self, payload: &[u8]) -> Record {
        self.reservation.completed(payload)
    }
}

/// An id of `operation` that nobody else uses.
pub(super) fn fresh_id(operation: &str) -> RecordId {
    RecordId::of(operation.to_owned(), None, &Token::random().to_string())
        .expect("the case names an operation as operations are named")
}

/// Polls a call once and drops it, as a caller does that goes away.
pub(super) fn drop_midway<T>(call: impl Future<Output = T>) {
    let _: Poll<T> = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
}

/// The store's answer; a case never asks for what may fail.
#[track_caller]
pub(super) fn answered<T>(answer: Result<T, StoreError>) -> T {
    answer.unwrap_or_else(|error| panic!("the store failed: {error:?}"))
}

impl Scene {
    pub(super) fn new(subject: Arc<dyn Subject>) -> Self {
        Self { store: subject.store(), subject, id: fresh_id(OPERATION) }
    }

    /// The same store, seen with another id of the same operation.
    pub(super) fn another(&self) -> Self {
        self.with_id(fresh_id(self.id.operation()))
    }

    pub(super) fn with_id(&self, id: RecordId) -> Self {
        Self { id, ..self.clone() }
    }

    /// The same id in another store.
    pub(super) fn in_store(&self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The same id, seen as another process sees it.
    pub(super) fn elsewhere(&self) -> Self {
        self.in_store(self.subject.other_handle())
    }

    /// Starts so many tasks on the id at the same moment, every other one elsewhere, and gives what
    /// they answer.
    pub(super) async fn race<T, F>(&self, racers: usize, act: impl Fn(Self, usize) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(racers));
        let mut tasks = JoinSet::new();
        for racer in 0..racers {
            let at = if racer % 2 == 0 { self.clone() } else { self.elsewhere() };
            let (start, act) = (start.clone(), act(at, racer));
            tasks.spawn(async move {
                start.wait().await;
                act.await
            });
        }
        tasks.join_all().await
    }

    pub(super) fn lease(&self) -> Duration {
        self.subject.lease()
    }

    /// How long results are kept.
    pub(super) fn ttl(&self) -> Duration {
        self.lease() * 3
    }

    /// How long indeterminate records stay, in the whole seconds that a record can say.
    pub(super) fn retention(&self) -> Duration {
        Duration::from_secs((self.lease() * 2).as_secs().max(1))
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.subject.advance(by).await;
    }

    /// Lets a lease lapse that was started now.
    pub(super) async fn lapse(&self) {
        self.advance(self.lease() + self.lease() / 10).await;
    }

    pub(super) fn envelope(&self, guarantee: Guarantee) -> Envelope<'_> {
        Envelope {
            guarantee,
            lease: self.lease(),
            retention: self.retention(),
            ..Envelope::new(self.id.operation())
        }
    }

    pub(super) fn request(&self, guarantee: Guarantee) -> Reserve<'_> {
        Reserve::new(&self.id, self.envelope(guarantee))
    }

    pub(super) async fn ask(&self, request: &Reserve<'_>) -> ReserveOutcome {
        answered(self.store.reserve(request).await)
    }

    /// A new caller's reserve, which must win.
    pub(super) async fn reserve(&self, guarantee: Guarantee) -> Owner {
        let request = self.request(guarantee);
        match self.ask(&request).await {
            ReserveOutcome::Won => Owner { reservation: request.record().clone() },
            ReserveOutcome::Taken(entry) => panic!("the id should be vacant, but: {entry:?}"),
        }
    }

    pub(super) async fn reserve_once_more(&self) -> Owner {
        self.reserve(Guarantee::AtLeastOnce).await
    }

    /// A new caller's reserve, which must find the id taken.
    pub(super) async fn refused(&self) -> Entry {
        match self.ask(&self.request(Guarantee::AtMostOnce)).await {
            ReserveOutcome::Won => panic!("a second reserve won"),
            ReserveOutcome::Taken(entry) => entry,
        }
    }

    pub(super) async fn renew(&self, owner: &Owner, lease: Duration) -> RenewOutcome {
        let request = Renew::new(&self.id, &owner.reservation, lease);
        answered(self.store.renew(&request).await)
    }

    pub(super) async fn complete(&self, owner: &Owner, payload: &[u8]) -> CompleteOutcome {
        self.complete_for(owner, payload, self.ttl(), Vacant::Record).await
    }

    pub(super) async fn complete_if_there(&self, owner: &Owner, payload: &[u8]) -> CompleteOutcome {
        self.complete_for(owner, payload, self.ttl(), Vacant::Refuse).await
    }

    pub(super) async fn complete_for(
        &self,
        owner: &Owner,
        payload: &[u8],
        ttl: Duration,
        vacant: Vacant,
    ) -> CompleteOutcome {
        let record = owner.completed(payload);
        let request = Complete::new(&self.id, &owner.reservation, &record, ttl).vacant(vacant);
        answered(self.store.complete(&request).await)
    }

    /// Completes, which must be recorded.
    pub(super) async fn record(&self, owner: &Owner, payload: &[u8]) {
        let outcome = self.complete(owner, payload).await;
        assert!(
            matches!(outcome, CompleteOutcome::Recorded),
            "the result should be recorded, but: {outcome:?}"
        );
    }

    /// Completes, which must find another attempt's record.
    pub(super) async fn superseded(&self, owner: &Owner) -> Entry {
        match self.complete(owner, b"late").await {
            CompleteOutcome::Superseded(entry) => entry,
            outcome => panic!("another attempt's record stands there, but: {outcome:?}"),
        }
    }

    pub(super) async fn release(&self, owner: &Owner) {
        answered(self.store.release(&Release::new(&self.id, &owner.reservation)).await);
    }

    pub(super) async fn release_even_indeterminate(&self, owner: &Owner) {
        let request = Release::new(&self.id, &owner.reservation).even_indeterminate();
        answered(self.store.release(&request).await);
    }

    pub(super) async fn load(&self) -> Option<Entry> {
        answered(self.store.load(&self.id).await)
    }

    pub(super) async fn purge(&self) -> bool {
        answered(self.store.purge(&self.id).await)
    }

    pub(super) async fn wait(&self, token: Token, timeout: Duration) {
        answered(self.store.wait(&Wait::new(&self.id, token, timeout)).await);
    }
}
