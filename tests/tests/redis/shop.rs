//! What the tests ask a store: ids that nobody else uses, and requests about them.

use std::time::Duration;

use idempotent_core::record::{Envelope, Guarantee, Record, RecordId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Store,
    StoreError,
};

pub(crate) const LEASE: Duration = Duration::from_secs(30);
pub(crate) const TTL: Duration = Duration::from_secs(60);

/// An id that nobody else uses.
pub(crate) fn fresh_id() -> RecordId {
    RecordId::of("shop::charge", None, &Token::random().to_string()).unwrap()
}

/// One attempt on an id.
pub(crate) struct Attempt {
    pub(crate) id: RecordId,
    guarantee: Guarantee,
}

impl Attempt {
    pub(crate) fn new() -> Self {
        Self { id: fresh_id(), guarantee: Guarantee::AtLeastOnce }
    }

    pub(crate) fn at_most_once() -> Self {
        Self { guarantee: Guarantee::AtMostOnce, ..Self::new() }
    }

    pub(crate) fn request(&self) -> Reserve<'_> {
        let mut envelope = Envelope::new(self.id.operation());
        (envelope.guarantee, envelope.lease) = (self.guarantee, LEASE);
        Reserve::new(&self.id, envelope)
    }

    /// A new caller's reserve.
    pub(crate) async fn reserve(&self, store: &dyn Store) -> Result<ReserveOutcome, StoreError> {
        store.reserve(&self.request()).await
    }

    /// A reserve that has to win.
    pub(crate) async fn win(&self, store: &dyn Store) -> Record {
        let request = self.request();
        match store.reserve(&request).await.unwrap() {
            ReserveOutcome::Won => request.record().clone(),
            taken => panic!("the id should be vacant, but: {taken:?}"),
        }
    }

    pub(crate) async fn complete(
        &self,
        store: &dyn Store,
        reservation: &Record,
        payload: &[u8],
    ) -> Result<CompleteOutcome, StoreError> {
        let record = reservation.completed(payload);
        store.complete(&Complete::new(&self.id, reservation, &record, TTL)).await
    }

    /// A complete that has to be recorded.
    pub(crate) async fn record(&self, store: &dyn Store, reservation: &Record, payload: &[u8]) {
        let outcome = self.complete(store, reservation, payload).await.unwrap();
        assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    }

    pub(crate) async fn renew(
        &self,
        store: &dyn Store,
        reservation: &Record,
    ) -> Result<RenewOutcome, StoreError> {
        store.renew(&Renew::new(&self.id, reservation, LEASE)).await
    }

    pub(crate) async fn release(
        &self,
        store: &dyn Store,
        reservation: &Record,
    ) -> Result<(), StoreError> {
        store.release(&Release::new(&self.id, reservation)).await
    }
}
