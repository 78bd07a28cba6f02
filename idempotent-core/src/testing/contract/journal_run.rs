//! What the cases about journals share: a run of a call, and what it asks its store.

use std::time::Duration;

use super::fixture::{Fixture, Owner, expect_answer};
use crate::model::{Guarantee, Record, StepEntry, StepHead, StepId, StepStatus, Token};
use crate::store::{
    Journal, Replaces, Resume, ResumeOutcome, Suspend, WriteStep, WriteStepOutcome,
};

/// How long a journal is kept after its last attempt where a case does not wait for that end. Far longer than a loaded
/// machine holds a case up.
const KEPT: Duration = Duration::from_secs(3600);

/// A run of a call with a journal.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) owner: Owner,
    /// Its reservation with the journal.
    pub(super) record: Record,
}

impl Run {
    pub(super) fn new(owner: &Owner) -> Self {
        Self::kept_for(KEPT, owner)
    }

    /// A run whose journal is kept that long after its last attempt.
    pub(super) fn kept_for(retention: Duration, owner: &Owner) -> Self {
        let record = owner.reservation.with_journal(owner.token(), retention);
        Self { owner: owner.clone(), record }
    }

    /// The next run of the same call.
    pub(super) fn next(fixture: &Fixture, before: &Self) -> Self {
        let envelope = fixture.envelope(Guarantee::AtLeastOnce);
        let reservation = Record::reserved(&envelope, Token::random());
        let journal = before.record.journal().expect("it has one");
        let record = reservation.with_journal(journal, before.record.retention());
        Self { owner: Owner { reservation: record.clone() }, record }
    }

    /// The same run, whose record was seen to be this one.
    pub(super) fn seen_as(&self, record: &Record) -> Self {
        Self { owner: self.owner.clone(), record: record.clone() }
    }
}

pub(super) fn step(fixture: &Fixture, name: &str) -> StepId {
    StepId::of_call(&fixture.id).step(name, None)
}

pub(super) fn entry(status: StepStatus, result: &[u8]) -> StepEntry {
    let part_of = StepId::from_bytes([0; 32]);
    let (attempt, written) = (Token::random(), Duration::from_millis(1_790_000_000_000));
    let head = StepHead {
        part_of,
        name: "step",
        key: None,
        written,
        attempt,
        version: 0,
        fingerprint: None,
    };
    head.entry(status, Duration::ZERO, result)
}

pub(super) fn recorded(result: &[u8]) -> StepEntry {
    entry(StepStatus::Recorded, result)
}

impl Fixture {
    pub(super) fn journal(&self) -> &dyn Journal {
        self.store.journal().expect("the case asked before")
    }

    pub(super) async fn begin_run(&self) -> Run {
        let owner = self.reserve_at_least_once().await;
        Run::new(&owner)
    }

    pub(super) async fn write(&self, run: &Run, name: &str, entry: &StepEntry) -> WriteStepOutcome {
        let step = step(self, name);
        let request = WriteStep::new(&self.id, &run.record, &step, entry);
        expect_answer(self.journal().write_step(&request).await)
    }

    pub(super) async fn replace(
        &self,
        run: &Run,
        name: &str,
        replaces: Replaces<'_>,
        entry: &StepEntry,
    ) -> WriteStepOutcome {
        let step = step(self, name);
        let request = WriteStep::new(&self.id, &run.record, &step, entry).replacing(replaces);
        expect_answer(self.journal().write_step(&request).await)
    }

    pub(super) async fn begin(&self, run: &Run, name: &str, entry: &StepEntry) -> WriteStepOutcome {
        self.begin_over(run, name, Replaces::Nothing, entry).await
    }

    pub(super) async fn begin_over(
        &self,
        run: &Run,
        name: &str,
        replaces: Replaces<'_>,
        entry: &StepEntry,
    ) -> WriteStepOutcome {
        let step = step(self, name);
        let request = WriteStep::new(&self.id, &run.record, &step, entry);
        let request = request.replacing(replaces).beginning();
        expect_answer(self.journal().write_step(&request).await)
    }

    /// A run with one recorded step.
    pub(super) async fn journaled(&self) -> (Run, StepEntry) {
        self.journaled_for(KEPT).await
    }

    /// As [`journaled`](Self::journaled), with a journal that is kept that long after its last attempt.
    pub(super) async fn journaled_for(&self, retention: Duration) -> (Run, StepEntry) {
        let run = Run::kept_for(retention, &self.reserve_at_least_once().await);
        let entry = recorded(b"result");
        assert_eq!(self.write(&run, "charge", &entry).await, WriteStepOutcome::Written);
        (run, entry)
    }

    pub(super) async fn steps(&self, run: &Run) -> Vec<(StepId, StepEntry)> {
        let journal = run.record.journal().expect("it has one");
        let mut steps = expect_answer(self.journal().load_steps(&self.id, journal).await);
        steps.sort_by_key(|(step, _)| *step);
        steps
    }

    pub(super) async fn resume(&self, seen: &Run, next: &Run) -> ResumeOutcome {
        let request = Resume::new(&self.id, &seen.record, &next.record, self.lease());
        expect_answer(self.journal().resume(&request).await)
    }

    pub(super) async fn suspend(&self, run: &Run, suspended: &Record) {
        let request = Suspend::new(&self.id, &run.owner.reservation, suspended);
        expect_answer(self.journal().suspend(&request).await);
    }
}

/// Ends a case whose store keeps no journals.
macro_rules! require_journal {
    ($fixture:expr) => {
        if $fixture.store.journal().is_none() {
            return;
        }
    };
}
pub(super) use require_journal;
