//! Calls that wait for nothing but their steps in doubt: whoever settles the last of them has the call go on, in the same
//! atomic step. A store without journals has nothing to check.

use super::fixture::{Fixture, expect_answer};
use super::journal_run::{Run, entry, recorded, require_journal, step};
use crate::model::{Envelope, Guarantee, Record, StepEntry, StepStatus};
use crate::store::{Replaces, Reserve, ResumeOutcome, State, Suspend, WriteStepOutcome};

/// An owner whose lease is over while it runs these steps, and the run that has taken its call.
async fn overtaken(fixture: &Fixture, steps: &[&str]) -> (Run, Vec<StepEntry>, Run) {
    // One lease leaves time for a few calls, one after the other.
    let leases = steps.len().div_ceil(2) as u32;
    let lease = fixture.lease() * leases;
    let envelope = Envelope { lease, ..fixture.envelope(Guarantee::AtLeastOnce) };
    let owner = fixture.win(&Reserve::new(&fixture.id, envelope)).await;
    let (late, mut begun) = (Run::new(&owner), Vec::new());
    for name in steps {
        let entry = entry(StepStatus::Begun, b"");
        assert_eq!(fixture.begin(&late, name, &entry).await, WriteStepOutcome::Written);
        begun.push(entry);
    }
    fixture.advance(fixture.lease() * (leases - 1)).await;
    fixture.let_lease_expire().await;
    let next = Run::next(fixture, &late);
    assert!(matches!(fixture.resume(&late, &next).await, ResumeOutcome::Won));
    (late, begun, next)
}

impl Fixture {
    async fn settle(&self, run: &Run, name: &str, begun: &StepEntry, entry: &StepEntry) {
        let written = self.replace(run, name, Replaces::Entry(begun), entry).await;
        assert_eq!(written, WriteStepOutcome::Written);
    }

    async fn assert_found(&self, state: State, record: &Record) {
        let found = self.expect_taken().await;
        assert_eq!((found.state, &found.record), (state, record));
    }
}

pub(super) async fn a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (late, begun, next) = overtaken(&fixture, &["pay", "ship"]).await;
    let waiting = next.record.abandoned().waiting_for_steps().with_last_error("in doubt");
    fixture.suspend(&next, &waiting).await;
    fixture.settle(&late, "pay", &begun[0], &recorded(b"paid")).await;
    fixture.assert_found(State::Indeterminate, &waiting).await;
    let (third, seen) = (Run::next(&fixture, &next), next.seen_as(&waiting));
    assert!(matches!(fixture.resume(&seen, &third).await, ResumeOutcome::Taken(_)));

    // It turns out that the other one did not happen.
    let tried = entry(StepStatus::Tried, b"");
    fixture.settle(&late, "ship", &begun[1], &tried).await;
    let suspended = waiting.with_steps_settled();
    fixture.assert_found(State::Suspended, &suspended).await;
    fixture.settle(&late, "ship", &begun[1], &tried).await;
    let seen = next.seen_as(&suspended);
    assert!(matches!(fixture.resume(&seen, &third).await, ResumeOutcome::Won));
    assert_eq!(fixture.steps(&third).await.len(), 2);
}

pub(super) async fn a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (run, begun) = (fixture.begin_run().await, entry(StepStatus::Begun, b""));
    assert_eq!(fixture.begin(&run, "pay", &begun).await, WriteStepOutcome::Written);
    let waiting = run.record.abandoned().waiting_for_steps();
    fixture.suspend(&run, &waiting).await;
    fixture.assert_found(State::Indeterminate, &waiting).await;

    // What the step did becomes known after its run gave up waiting for it.
    fixture.settle(&run, "pay", &begun, &recorded(b"paid")).await;
    let suspended = waiting.with_steps_settled();
    fixture.assert_found(State::Suspended, &suspended).await;
    let (next, seen) = (Run::next(&fixture, &run), run.seen_as(&suspended));
    assert!(matches!(fixture.resume(&seen, &next).await, ResumeOutcome::Won));
    assert_eq!(fixture.steps(&next).await.len(), 1);
}

pub(super) async fn a_call_whose_steps_were_settled_before_waits_for_none(fixture: Fixture) {
    require_journal!(fixture);
    let (late, begun, next) = overtaken(&fixture, &["pay"]).await;
    fixture.settle(&late, "pay", &begun[0], &recorded(b"paid")).await;
    let waiting = next.record.abandoned().waiting_for_steps();
    fixture.suspend(&next, &waiting).await;
    fixture.assert_found(State::Suspended, &waiting.with_steps_settled()).await;

    // Nor does one whose last step the same request settles.
    let fixture = fixture.with_fresh_id();
    let (_, begun, next) = overtaken(&fixture, &["pay"]).await;
    let waiting = next.record.abandoned().waiting_for_steps();
    let settles = [(step(&fixture, "pay"), begun[0].clone(), recorded(b"paid"))];
    let request = Suspend::new(&fixture.id, &next.record, &waiting).settling(&settles);
    expect_answer(fixture.journal().suspend(&request).await);
    fixture.assert_found(State::Suspended, &waiting.with_steps_settled()).await;
}

pub(super) async fn a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (late, begun, next) = overtaken(&fixture, &["pay"]).await;
    let parked = next.record.with_guarantee(Guarantee::AtMostOnce).abandoned();
    fixture.suspend(&next, &parked).await;
    fixture.settle(&late, "pay", &begun[0], &recorded(b"paid")).await;
    fixture.assert_found(State::Indeterminate, &parked).await;
    let (third, seen) = (Run::next(&fixture, &next), next.seen_as(&parked));
    assert!(matches!(fixture.resume(&seen, &third).await, ResumeOutcome::Taken(_)));
}

pub(super) async fn of_many_who_settle_the_last_steps_one_has_the_call_go_on(fixture: Fixture) {
    require_journal!(fixture);
    const STEPS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let fixture = fixture.with_fresh_id();
        let (late, begun, next) = overtaken(&fixture, &STEPS).await;
        let waiting = next.record.abandoned().waiting_for_steps();
        fixture.suspend(&next, &waiting).await;
        fixture.assert_found(State::Indeterminate, &waiting).await;
        rounds.push((fixture, late, begun, waiting));
    }
    // A call that waits has no lease.
    fixture.hold_up.excuse_nothing();
    for (fixture, late, begun, waiting) in rounds {
        let settled = fixture.race(STEPS.len(), |fixture, nth| {
            let (late, begun) = (late.clone(), begun[nth].clone());
            async move { fixture.settle(&late, STEPS[nth], &begun, &recorded(b"done")).await }
        });
        settled.await;
        fixture.assert_found(State::Suspended, &waiting.with_steps_settled()).await;
    }
}
