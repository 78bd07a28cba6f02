//! Calls of a store: ids that nobody else uses, and requests about them.

use std::time::{Duration, Instant};

use idempotent_core::model::{Envelope, Guarantee, Record, RecordId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Store,
    StoreError, StoreErrorKind,
};

const TTL: Duration = Duration::from_secs(60);

/// An id that nobody else uses.
#[must_use]
pub fn fresh_id() -> RecordId {
    RecordId::of("shop::charge", None, &Token::random().to_string()).expect("a name and a key")
}

/// Whether to ask again, as callers do: a loaded machine stands still now and then.
fn is_late<T>(answer: &Result<T, StoreError>, begin: Instant) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == StoreErrorKind::Timeout)
        && begin.elapsed() < Duration::from_secs(20)
}

/// One attempt on an id.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What it is an attempt on.
    pub id: RecordId,
    guarantee: Guarantee,
}

impl Default for Attempt {
    fn default() -> Self {
        Self { id: fresh_id(), guarantee: Guarantee::AtLeastOnce }
    }
}

impl Attempt {
    /// How long its reservations last.
    pub const LEASE: Duration = Duration::from_secs(30);

    /// On a fresh id, at least once.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// On a fresh id, at most once.
    #[must_use]
    pub fn at_most_once() -> Self {
        Self { guarantee: Guarantee::AtMostOnce, ..Self::new() }
    }

    /// A new caller's request.
    #[must_use]
    pub fn request(&self) -> Reserve<'_> {
        let mut envelope = Envelope::new(self.id.operation());
        (envelope.guarantee, envelope.lease) = (self.guarantee, Self::LEASE);
        Reserve::new(&self.id, envelope)
    }

    /// Sends a new caller's request.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn reserve(&self, store: &dyn Store) -> Result<ReserveOutcome, StoreError> {
        store.reserve(&self.request()).await
    }

    /// Reserves, and panics unless that wins. What times out is repeated.
    pub async fn win(&self, store: &dyn Store) -> Record {
        let (request, begin) = (self.request(), Instant::now());
        let mut answer = store.reserve(&request).await;
        while is_late(&answer, begin) {
            answer = store.reserve(&request).await;
        }
        match answer.expect("the store answers") {
            ReserveOutcome::Won => request.record().clone(),
            taken => panic!("the id should be vacant, but: {taken:?}"),
        }
    }

    /// Wins a fresh id, as soon as the store grants one.
    ///
    /// # Panics
    ///
    /// If it grants none for twenty seconds.
    pub async fn win_soon(store: &dyn Store) -> (Self, Record) {
        let begin = Instant::now();
        loop {
            let attempt = Self::new();
            let request = attempt.request();
            match store.reserve(&request).await {
                Ok(ReserveOutcome::Won) => {
                    let reservation = request.record().clone();
                    return (attempt, reservation);
                }
                answer => {
                    assert!(begin.elapsed() < Duration::from_secs(20), "{answer:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// Completes the reservation with a result.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn complete(
        &self,
        store: &dyn Store,
        reservation: &Record,
        payload: &[u8],
    ) -> Result<CompleteOutcome, StoreError> {
        let record = reservation.completed(payload);
        store.complete(&Complete::new(&self.id, reservation, &record, TTL)).await
    }

    /// Completes, and panics unless that is recorded. What times out is repeated.
    pub async fn record(&self, store: &dyn Store, reservation: &Record, payload: &[u8]) {
        let begin = Instant::now();
        let mut outcome = self.complete(store, reservation, payload).await;
        while is_late(&outcome, begin) {
            outcome = self.complete(store, reservation, payload).await;
        }
        let outcome = outcome.expect("the store answers");
        assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    }

    /// Renews the reservation for another lease.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn renew(
        &self,
        store: &dyn Store,
        reservation: &Record,
    ) -> Result<RenewOutcome, StoreError> {
        store.renew(&Renew::new(&self.id, reservation, Self::LEASE)).await
    }

    /// Releases the reservation.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn release(&self, store: &dyn Store, reservation: &Record) -> Result<(), StoreError> {
        store.release(&Release::new(&self.id, reservation)).await
    }
}
