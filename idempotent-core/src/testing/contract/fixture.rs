//! What the cases are written with: one id, its owners, and their requests to the store.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::hold_up::HoldUp;
use super::subject::Subject;
use crate::model::{Envelope, Guarantee, Record, RecordId, Token};
use crate::store::{
    Abandon, Complete, CompleteOutcome, Entry, IfVacant, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Store, StoreError, Wait,
};

/// The operation of ids for which a case chooses none.
const OPERATION: &str = "contract::case";

/// Longer than any subject's patience, and than a loaded machine holds a case up.
pub(super) const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// A unique id in the store under test.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) subject: Arc<dyn Subject>,
    pub(super) store: Arc<dyn Store>,
    pub(super) id: RecordId,
    pub(super) hold_up: HoldUp,
}

/// One attempt: the reservation that it wrote or would have written.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    pub(super) reservation: Record,
}

impl Owner {
    /// An attempt that never reserved anything.
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

/// A unique id of `operation`.
pub(super) fn fresh_id(operation: &str) -> RecordId {
    RecordId::of(operation.to_owned(), None, &Token::random().to_string())
        .expect("the operation has a valid name")
}

/// Polls a call once and drops it, like a caller that is cancelled.
pub(super) fn drop_midway<T>(call: impl Future<Output = T>) {
    let _: Poll<T> = pin!(call).poll(&mut Context::from_waker(Waker::noop()));
}

/// The store's answer. The requests of a case never fail.
#[track_caller]
pub(super) fn expect_answer<T>(answer: Result<T, StoreError>) -> T {
    answer.unwrap_or_else(|error| panic!("the store failed: {error:?}"))
}

impl Fixture {
    pub(super) fn new(subject: Arc<dyn Subject>, hold_up: HoldUp) -> Self {
        Self { store: subject.store(), subject, id: fresh_id(OPERATION), hold_up }
    }

    /// The same store with another id of the same operation.
    pub(super) fn with_fresh_id(&self) -> Self {
        self.with_id(fresh_id(self.id.operation()))
    }

    pub(super) fn with_id(&self, id: RecordId) -> Self {
        Self { id, ..self.clone() }
    }

    /// The same id in another store.
    pub(super) fn in_store(&self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The same id through the handle of another process.
    pub(super) fn other_process(&self) -> Self {
        self.in_store(self.subject.other_handle())
    }

    /// Starts tasks on the id at the same moment, every other one in another process, and returns their
    /// answers.
    pub(super) async fn race<T, F>(&self, racers: usize, act: impl Fn(Self, usize) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let start = Arc::new(Barrier::new(racers));
        let mut tasks = JoinSet::new();
        for racer in 0..racers {
            let fixture = if racer % 2 == 0 { self.clone() } else { self.other_process() };
            let (start, act) = (start.clone(), act(fixture, racer));
            tasks.spawn(async move {
                start.wait().await;
                act.await
            });
        }
        tasks.join_all().await
    }

    pub(super) fn lease(&self) -> Duration {
        self.subject.lease() * self.hold_up.factor()
    }

    /// How long results are kept.
    pub(super) fn ttl(&self) -> Duration {
        self.lease() * 3
    }

    /// How long indeterminate records stay. Records store it in whole seconds.
    pub(super) fn retention(&self) -> Duration {
        Duration::from_secs((self.lease() * 2).as_secs().max(1))
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.hold_up.advance(by);
        self.subject.advance(by).await;
    }

    /// Waits until a lease that starts now has expired.
    pub(super) async fn let_lease_expire(&self) {
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

    pub(super) async fn try_reserve(&self, request: &Reserve<'_>) -> ReserveOutcome {
        expect_answer(self.store.reserve(request).await)
    }

    /// Reserves for a new caller, who must win.
    pub(super) async fn reserve(&self, guarantee: Guarantee) -> Owner {
        self.win(&self.request(guarantee)).await
    }

    pub(super) async fn reserve_at_least_once(&self) -> Owner {
        self.reserve(Guarantee::AtLeastOnce).await
    }

    /// A request for far longer than a loaded machine holds a case up.
    pub(super) fn request_for_an_hour(&self) -> Reserve<'_> {
        let envelope = Envelope { lease: AN_HOUR, ..self.envelope(Guarantee::AtLeastOnce) };
        Reserve::new(&self.id, envelope)
    }

    pub(super) async fn reserve_for_an_hour(&self) -> Owner {
        self.win(&self.request_for_an_hour()).await
    }

    /// Sends a reserve, which must win.
    pub(super) async fn win(&self, request: &Reserve<'_>) -> Owner {
        match self.try_reserve(request).await {
            ReserveOutcome::Won => Owner { reservation: request.record().clone() },
            ReserveOutcome::Taken(entry) => panic!("the id should be vacant, but: {entry:?}"),
        }
    }

    /// Reserves for a new caller, who must find the id taken.
    pub(super) async fn expect_taken(&self) -> Entry {
        match self.try_reserve(&self.request(Guarantee::AtMostOnce)).await {
            ReserveOutcome::Won => panic!("a second reserve won"),
            ReserveOutcome::Taken(entry) => entry,
        }
    }

    pub(super) async fn renew(&self, owner: &Owner, lease: Duration) -> RenewOutcome {
        let request = Renew::new(&self.id, &owner.reservation, lease);
        expect_answer(self.store.renew(&request).await)
    }

    pub(super) async fn abandon(&self, owner: &Owner, record: &Record) {
        let request = Abandon::new(&self.id, &owner.reservation, record);
        expect_answer(self.store.abandon(&request).await);
    }

    pub(super) async fn complete(&self, owner: &Owner, payload: &[u8]) -> CompleteOutcome {
        self.complete_for(owner, payload, self.ttl(), IfVacant::Record).await
    }

    pub(super) async fn complete_if_reserved(
        &self,
        owner: &Owner,
        payload: &[u8],
    ) -> CompleteOutcome {
        self.complete_for(owner, payload, self.ttl(), IfVacant::Refuse).await
    }

    pub(super) async fn complete_for(
        &self,
        owner: &Owner,
        payload: &[u8],
        ttl: Duration,
        if_vacant: IfVacant,
    ) -> CompleteOutcome {
        let record = owner.completed(payload);
        let request =
            Complete::new(&self.id, &owner.reservation, &record, ttl).if_vacant(if_vacant);
        expect_answer(self.store.complete(&request).await)
    }

    /// Completes, and expects that the result is recorded.
    pub(super) async fn expect_recorded(&self, owner: &Owner, payload: &[u8]) {
        let outcome = self.complete(owner, payload).await;
        assert!(
            matches!(outcome, CompleteOutcome::Recorded),
            "the result should be recorded, but: {outcome:?}"
        );
    }

    /// Completes, and expects the record of another attempt.
    pub(super) async fn expect_superseded(&self, owner: &Owner) -> Entry {
        match self.complete(owner, b"late").await {
            CompleteOutcome::Superseded(entry) => entry,
            outcome => panic!("another attempt's record should be found, but: {outcome:?}"),
        }
    }

    pub(super) async fn release(&self, owner: &Owner) {
        expect_answer(self.store.release(&Release::new(&self.id, &owner.reservation)).await);
    }

    pub(super) async fn release_including_indeterminate(&self, owner: &Owner) {
        let request = Release::new(&self.id, &owner.reservation).including_indeterminate();
        expect_answer(self.store.release(&request).await);
    }

    pub(super) async fn load(&self) -> Option<Entry> {
        expect_answer(self.store.load(&self.id).await)
    }

    pub(super) async fn purge(&self) -> bool {
        expect_answer(self.store.purge(&self.id).await)
    }

    pub(super) async fn wait(&self, token: Token, timeout: Duration) {
        expect_answer(self.store.wait(&Wait::new(&self.id, token, timeout)).await);
    }
}
