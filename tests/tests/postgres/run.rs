//! A call with steps, as the store sees it.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::model::{Envelope, Record, StepEntry, StepId, Token};
use idempotent_core::store::{
    Replaces, Resume, ResumeOutcome, Store, StoreError, WriteStep, WriteStepOutcome,
};
use idempotent_tests::Attempt;

const RETENTION: Duration = Duration::from_secs(3600);

/// The statuses of entries.
pub(crate) const BEGUN: u8 = 0;
pub(crate) const RECORDED: u8 = 1;
pub(crate) const TRIED: u8 = 128;

/// One run of a call.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) attempt: Attempt,
    /// Its reservation with a journal.
    pub(crate) record: Record,
}

/// Reserves as many calls, all at once.
pub(crate) async fn begin_all(store: &PostgresStore, count: usize) -> Vec<Run> {
    join_all((0..count).map(|_| Run::begin(store, Attempt::new()))).await
}

/// Writes a recorded step of each, all at once, and panics unless all are written.
pub(crate) async fn write_all(store: &PostgresStore, runs: &[Run], name: &str) {
    let entry = entry(RECORDED, b"result");
    for written in join_all(runs.iter().map(|run| run.write(store, name, &entry))).await {
        assert_eq!(written.unwrap(), WriteStepOutcome::Written);
    }
}

impl Run {
    pub(crate) async fn begin(store: &PostgresStore, attempt: Attempt) -> Self {
        let reservation = attempt.win(store).await;
        let record = reservation.with_journal(reservation.token(), RETENTION);
        Self { attempt, record }
    }

    /// The next run of the same call.
    pub(crate) fn next(&self) -> Self {
        let envelope = Envelope::new(self.attempt.id.operation()).lease(Attempt::LEASE);
        let record = Record::reserved(&envelope, Token::random());
        let record = record.with_journal(self.record.journal().unwrap(), RETENTION);
        Self { attempt: self.attempt.clone(), record }
    }

    pub(crate) fn step(&self, name: &str) -> StepId {
        StepId::of_call(&self.attempt.id).step(name, None)
    }

    /// Writes a step over whatever stands there.
    pub(crate) async fn write(
        &self,
        store: &PostgresStore,
        name: &str,
        entry: &StepEntry,
    ) -> Result<WriteStepOutcome, StoreError> {
        self.replace(store, name, Replaces::Anything, entry).await
    }

    pub(crate) async fn replace(
        &self,
        store: &PostgresStore,
        name: &str,
        replaces: Replaces<'_>,
        entry: &StepEntry,
    ) -> Result<WriteStepOutcome, StoreError> {
        let step = self.step(name);
        let request = WriteStep::new(&self.attempt.id, &self.record, &step, entry);
        store.journal().unwrap().write_step(&request.replacing(replaces)).await
    }

    /// Writes that a step begins.
    pub(crate) async fn start(
        &self,
        store: &PostgresStore,
        name: &str,
        entry: &StepEntry,
    ) -> Result<WriteStepOutcome, StoreError> {
        let step = self.step(name);
        let request = WriteStep::new(&self.attempt.id, &self.record, &step, entry);
        let request = request.replacing(Replaces::Nothing).beginning();
        store.journal().unwrap().write_step(&request).await
    }

    pub(crate) async fn steps(&self, store: &PostgresStore) -> Vec<(StepId, StepEntry)> {
        let name = self.record.journal().unwrap();
        store.journal().unwrap().load_steps(&self.attempt.id, name).await.unwrap()
    }

    /// Takes this call, which was suspended.
    pub(crate) async fn resume(&self, store: &PostgresStore, next: &Self) -> ResumeOutcome {
        let request = Resume::new(&self.attempt.id, &self.record, &next.record, Attempt::LEASE);
        store.journal().unwrap().resume(&request).await.unwrap()
    }
}

/// An entry of the first layout, without a name: what a journal has of a step.
pub(crate) fn entry(status: u8, result: &[u8]) -> StepEntry {
    StepEntry::from_bytes(&[&[1, status, 0][..], &[0; 66], result].concat()).unwrap()
}
