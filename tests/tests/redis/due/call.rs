//! A call with an input, as the store sees it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::model::{Envelope, Record, RecordId, Token};
use idempotent_core::store::{
    Due, DueCall, DueCalls as _, Journal as _, Reserve, ReserveOutcome, Resume, ResumeOutcome,
    StoreError, Suspend, WithoutJournal,
};
use idempotent_servers::Redis;
use idempotent_tests::fresh_id;

/// The operation of these calls.
pub(super) const OPERATION: &str = "shop::charge";

/// Longer than any test takes.
pub(super) const LEASE: Duration = Duration::from_secs(300);

/// A call with an input.
pub(super) struct Call {
    pub(super) id: RecordId,
    pub(super) record: Record,
}

impl Call {
    fn envelope() -> Envelope<'static> {
        Envelope::new(OPERATION).lease(LEASE).input(b"an order")
    }

    /// A reservation of a fresh id.
    pub(super) async fn reserve(store: &RedisStore) -> Self {
        Self::try_reserve(store).await.unwrap()
    }

    pub(super) async fn try_reserve(store: &RedisStore) -> Result<Self, StoreError> {
        use idempotent_core::Store as _;

        let id = fresh_id();
        assert_eq!(id.operation(), OPERATION);
        let request = Reserve::new(&id, Self::envelope());
        let outcome = store.reserve(&request).await?;
        assert!(matches!(outcome, ReserveOutcome::Won), "{outcome:?}");
        let record = request.record().clone();
        Ok(Self { id, record })
    }

    /// One that is suspended, and due after so long.
    pub(super) async fn suspended(store: &RedisStore, due_in: Duration) -> Self {
        let mut call = Self::reserve(store).await;
        call.suspend(store, Some(due_in)).await.unwrap();
        call
    }

    pub(super) async fn suspend(
        &mut self,
        store: &RedisStore,
        due_in: Option<Duration>,
    ) -> Result<(), StoreError> {
        let suspended = self.record.abandoned();
        let request = Suspend::new(&self.id, &self.record, &suspended)
            .otherwise(WithoutJournal::Abandon(&suspended))
            .due_in(due_in);
        store.suspend(&request).await?;
        self.record = suspended;
        Ok(())
    }

    pub(super) async fn resume(&mut self, store: &RedisStore) -> Result<(), StoreError> {
        let record = Record::reserved(&Self::envelope(), Token::random());
        let outcome = store.resume(&Resume::new(&self.id, &self.record, &record, LEASE)).await?;
        assert!(matches!(outcome, ResumeOutcome::Won), "{outcome:?}");
        self.record = record;
        Ok(())
    }

    /// What the key of its record ends with, and its entry in the index.
    pub(super) fn entry(&self) -> String {
        format!("{}:{}", self.id.operation(), URL_SAFE_NO_PAD.encode(self.id.hash()))
    }

    pub(super) fn key(&self) -> String {
        format!("idem:{}", self.entry())
    }
}

/// The index of these calls on one server.
pub(super) fn index() -> String {
    format!("idem:due{{{OPERATION}}}")
}

/// The ids of the first calls that are due.
pub(super) async fn due(store: &RedisStore, limit: usize) -> Vec<RecordId> {
    let due = store.due(&Due::new(&[OPERATION], limit)).await.unwrap();
    due.into_iter().map(|call: DueCall| call.id).collect()
}

/// A number that a command answers.
pub(super) async fn number(server: &Redis, command: &[&str]) -> i64 {
    server.cli(command).await.to_string().parse().unwrap()
}
