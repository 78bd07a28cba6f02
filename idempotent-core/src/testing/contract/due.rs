//! Calls that are resumed without their callers: their input, and when they are due. A store without an index of them has
//! nothing to check.

use std::time::Duration;

use super::fixture::{Fixture, Owner, expect_answer, fresh_id};
use crate::model::{Guarantee, Record, Runs, StepEntry, StepHead, StepId, StepStatus, Token};
use crate::store::{
    Due, DueCall, DueCalls, Journal, Renew, Replaces, Reserve, ReserveOutcome, Resume,
    ResumeOutcome, State, Suspend, WithoutJournal, WriteStep, WriteStepOutcome,
};

const INPUT: &[u8] = b"the input";

impl Fixture {
    fn index(&self) -> &dyn DueCalls {
        self.store.due_calls().expect("the case asked before")
    }

    fn steps_of_calls(&self) -> &dyn Journal {
        self.store.journal().expect("a store with an index keeps journals")
    }

    /// Reserves for a new caller, with an input.
    async fn reserve_with_input(&self) -> Owner {
        // Longer than any case takes.
        let retention = Duration::from_secs(3600).max(self.lease() * 100);
        let envelope = self.envelope(Guarantee::AtLeastOnce).retention(retention).input(INPUT);
        let request = Reserve::new(&self.id, envelope);
        match self.try_reserve(&request).await {
            ReserveOutcome::Won => Owner { reservation: request.record().clone() },
            ReserveOutcome::Taken(entry) => panic!("the id should be vacant, but: {entry:?}"),
        }
    }

    async fn all_due(&self, limit: usize) -> Vec<DueCall> {
        let operations = [self.id.operation()];
        expect_answer(self.index().due(&Due::new(&operations, limit)).await)
    }

    async fn due(&self) -> Option<DueCall> {
        self.all_due(1000).await.into_iter().find(|call| call.id == self.id)
    }

    async fn due_in(&self) -> Option<Duration> {
        expect_answer(self.index().due_in(&self.id).await)
    }

    /// Takes a suspended call, which is due again after so long.
    async fn take(&self, seen: &Record, due_in: Duration) -> Record {
        let runs = Runs { attempts: 1, steps: 0 };
        let record = seen.taken_over(Token::random(), Duration::ZERO, runs);
        let request = Resume::new(&self.id, seen, &record, self.lease()).due_in(due_in);
        let outcome = expect_answer(self.steps_of_calls().resume(&request).await);
        assert!(matches!(outcome, ResumeOutcome::Won), "{outcome:?}");
        record
    }

    async fn end(&self, reservation: &Record, due_in: Option<Duration>) {
        let suspended = reservation.abandoned();
        let request = Suspend::new(&self.id, reservation, &suspended)
            .otherwise(WithoutJournal::Abandon(&suspended))
            .due_in(due_in);
        expect_answer(self.steps_of_calls().suspend(&request).await);
    }
}

macro_rules! require_index {
    ($fixture:expr) => {
        if $fixture.store.due_calls().is_none() {
            return;
        }
    };
}

pub(super) async fn a_lapsed_call_with_an_input_is_suspended_and_nobody_reserves_it(
    fixture: Fixture,
) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    assert_eq!(fixture.expect_taken().await.state, State::Reserved);
    fixture.let_lease_expire().await;
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, found.record), (State::Suspended, owner.reservation));
}

pub(super) async fn a_call_with_an_input_is_due_once_its_lease_is_over(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    assert!(fixture.due().await.is_none());
    let due_in = fixture.due_in().await.expect("it has a due time");
    assert!(due_in <= fixture.lease(), "{due_in:?}");
    fixture.let_lease_expire().await;
    let due = fixture.due().await.expect("its lease is over");
    assert_eq!((due.entry.state, due.entry.record), (State::Suspended, owner.reservation));
    assert_eq!(fixture.due_in().await, Some(Duration::ZERO));
    // One without an input never is.
    let plain = fixture.with_fresh_id();
    plain.reserve_at_least_once().await;
    assert_eq!(plain.due_in().await, None);
}

pub(super) async fn a_call_that_runs_longer_than_its_lease_is_not_due(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    let renew = Renew::new(&fixture.id, &owner.reservation, fixture.lease() * 4);
    expect_answer(fixture.store.renew(&renew).await);
    fixture.let_lease_expire().await;
    assert!(fixture.due().await.is_none());
    fixture.advance(fixture.lease() * 4).await;
    assert!(fixture.due().await.is_some());
}

pub(super) async fn a_resumed_call_is_due_when_its_request_says(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.let_lease_expire().await;
    let taken = fixture.take(&owner.reservation, fixture.lease() * 4).await;
    fixture.let_lease_expire().await;
    assert_eq!(fixture.expect_taken().await.state, State::Suspended);
    assert!(fixture.due().await.is_none());
    fixture.advance(fixture.lease() * 4).await;
    assert_eq!(fixture.due().await.map(|due| due.entry.record), Some(taken));
}

pub(super) async fn a_suspended_call_is_due_when_its_request_says_or_never(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.end(&owner.reservation, None).await;
    assert_eq!(fixture.expect_taken().await.state, State::Suspended);
    fixture.let_lease_expire().await;
    assert!(fixture.due().await.is_none());
    assert_eq!(fixture.due_in().await, None);

    let fixture = fixture.with_fresh_id();
    let owner = fixture.reserve_with_input().await;
    fixture.end(&owner.reservation, Some(fixture.lease() * 2)).await;
    assert!(fixture.due().await.is_none());
    fixture.advance(fixture.lease() * 3).await;
    assert!(fixture.due().await.is_some());
}

pub(super) async fn what_is_due_first_comes_first_and_of_the_operations_asked_for(
    fixture: Fixture,
) {
    require_index!(fixture);
    let name = format!("due.{}", fresh_id("due").to_string().replace(':', "."));
    let name = &name[..60];
    let fixtures: Vec<Fixture> = (0..3).map(|_| fixture.with_id(fresh_id(name))).collect();
    // The last one is due first. They are far apart: a store may read the time anew for each of them.
    for (at, fixture) in fixtures.iter().enumerate() {
        let owner = fixture.reserve_with_input().await;
        let due_in = fixture.lease() / 2 * (3 - at as u32);
        fixture.end(&owner.reservation, Some(due_in)).await;
    }
    fixture.advance(fixture.lease() * 2).await;
    let all = fixtures[0].all_due(10).await;
    assert_eq!(all.len(), fixtures.len());
    assert!(all.is_sorted_by(|one, next| one.overdue >= next.overdue), "{all:?}");
    let first: Vec<_> = fixtures[0].all_due(2).await.into_iter().map(|call| call.id).collect();
    assert_eq!(first, [all[0].id.clone(), all[1].id.clone()]);
    let others = expect_answer(fixture.index().due(&Due::new(&["due"], 10)).await);
    assert!(others.is_empty(), "{others:?}");
}

pub(super) async fn calls_that_are_left_out_hide_no_others(fixture: Fixture) {
    require_index!(fixture);
    let name = format!("due.{}", fresh_id("due").to_string().replace(':', "."));
    let name = &name[..60];
    for at in 1..=2 {
        let fixture = fixture.with_id(fresh_id(name));
        let owner = fixture.reserve_with_input().await;
        fixture.end(&owner.reservation, Some(fixture.lease() / 10 * at)).await;
    }
    fixture.let_lease_expire().await;
    let fixture = fixture.with_id(fresh_id(name));
    let all = fixture.all_due(10).await;
    assert_eq!(all.len(), 2);
    for (left, other) in [(0, 1), (1, 0)] {
        let (operations, without) = ([name], [*all[left].id.hash()]);
        let request = Due::new(&operations, 1).without(&without);
        let found = expect_answer(fixture.index().due(&request).await);
        let found: Vec<_> = found.into_iter().map(|call| call.id).collect();
        assert_eq!(found, [all[other].id.clone()]);
    }
}

pub(super) async fn a_due_call_is_in_one_part_of_the_index(fixture: Fixture) {
    require_index!(fixture);
    fixture.reserve_with_input().await;
    fixture.let_lease_expire().await;
    let (operations, index) = ([fixture.id.operation()], fixture.index());
    let mut found = 0;
    for part in 0..index.parts() {
        let due = expect_answer(index.due(&Due::new(&operations, 1000).part(part)).await);
        found += due.iter().filter(|call| call.id == fixture.id).count();
    }
    assert_eq!(found, 1, "of {} parts", index.parts());
}

pub(super) async fn a_call_that_has_ended_is_not_due(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.expect_recorded(&owner, b"result").await;
    assert_eq!(fixture.due_in().await, None);
    fixture.let_lease_expire().await;
    assert!(fixture.due().await.is_none());
    let fixture = fixture.with_fresh_id();
    fixture.reserve_with_input().await;
    assert!(fixture.purge().await);
    assert_eq!(fixture.due_in().await, None);
}

pub(super) async fn nobody_frees_a_resumed_call_that_has_recorded_nothing(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.let_lease_expire().await;
    let taken = fixture.take(&owner.reservation, fixture.lease()).await;
    fixture.release(&Owner { reservation: taken.clone() }).await;
    let suspended = taken.abandoned();
    let request = Suspend::new(&fixture.id, &taken, &suspended);
    expect_answer(fixture.steps_of_calls().suspend(&request).await);
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, found.record), (State::Suspended, taken));
    // A first run that has recorded nothing is released.
    let fixture = fixture.with_fresh_id();
    let owner = fixture.reserve_with_input().await;
    let suspended = owner.reservation.abandoned();
    let request = Suspend::new(&fixture.id, &owner.reservation, &suspended);
    expect_answer(fixture.steps_of_calls().suspend(&request).await);
    fixture.assert_vacant().await;
}

pub(super) async fn a_resumed_call_begins_its_journal_with_its_first_step(fixture: Fixture) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.let_lease_expire().await;
    let taken = fixture.take(&owner.reservation, fixture.lease()).await;
    let journal = taken.token();
    let marked = taken.with_journal(journal, fixture.retention());
    let (step, entry) = a_step(&fixture, StepStatus::Recorded);
    let request = WriteStep::new(&fixture.id, &marked, &step, &entry);
    let written = expect_answer(fixture.steps_of_calls().write_step(&request).await);
    assert_eq!(written, WriteStepOutcome::Written);
    let steps = expect_answer(fixture.steps_of_calls().load_steps(&fixture.id, journal).await);
    assert_eq!(steps, [(step, entry)]);
    assert_eq!(fixture.expect_taken().await.record, marked);
    assert!(fixture.due_in().await.is_some());
}

pub(super) async fn a_call_with_a_step_since_it_was_seen_is_resumed_with_its_journal(
    fixture: Fixture,
) {
    require_index!(fixture);
    let owner = fixture.reserve_with_input().await;
    fixture.let_lease_expire().await;
    let seen = &owner.reservation;
    // The late owner records its first step, and keeps its token.
    let marked = seen.with_journal(owner.token(), seen.retention());
    let (step, entry) = a_step(&fixture, StepStatus::Recorded);
    let request = WriteStep::new(&fixture.id, &marked, &step, &entry);
    let written = expect_answer(fixture.steps_of_calls().write_step(&request).await);
    assert_eq!(written, WriteStepOutcome::Written);
    let runs = Runs { attempts: 1, steps: 0 };
    let outdated = seen.taken_over(Token::random(), Duration::ZERO, runs);
    let request = Resume::new(&fixture.id, seen, &outdated, fixture.lease());
    match expect_answer(fixture.steps_of_calls().resume(&request).await) {
        ResumeOutcome::Taken(found) => assert_eq!(found.record, marked),
        outcome => panic!("it has a journal by now, but: {outcome:?}"),
    }
    fixture.take(&marked, fixture.lease()).await;
    let call = fixture.steps_of_calls().load_steps(&fixture.id, owner.token());
    assert_eq!(expect_answer(call.await), [(step, entry)]);
}

fn a_step(fixture: &Fixture, status: StepStatus) -> (StepId, StepEntry) {
    let part_of = StepId::of_call(&fixture.id);
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
    let entry = head.entry(status, Duration::ZERO, b"result");
    (part_of.step("step", None), entry)
}

pub(super) async fn a_call_that_waited_for_its_steps_is_due_once_they_are_settled(
    fixture: Fixture,
) {
    require_index!(fixture);
    let call = InDoubt::begin(fixture.with_fresh_id()).await;
    call.wait_for_its_steps().await;
    assert!(call.fixture.due().await.is_none());
    assert_eq!(call.fixture.due_in().await, None);
    call.settle().await;
    call.assert_due().await;

    // Its late owner may have been first.
    let call = InDoubt::begin(fixture.with_fresh_id()).await;
    call.settle().await;
    call.wait_for_its_steps().await;
    call.assert_due().await;
}

/// A call with an input, one of whose steps has begun.
struct InDoubt {
    fixture: Fixture,
    journaled: Record,
    step: StepId,
    begun: StepEntry,
}

impl InDoubt {
    async fn begin(fixture: Fixture) -> Self {
        let reservation = fixture.reserve_with_input().await.reservation;
        let journaled = reservation.with_journal(reservation.token(), reservation.retention());
        let (step, begun) = a_step(&fixture, StepStatus::Begun);
        let request = WriteStep::new(&fixture.id, &journaled, &step, &begun).beginning();
        expect_answer(fixture.steps_of_calls().write_step(&request).await);
        Self { fixture, journaled, step, begun }
    }

    fn waiting(&self) -> Record {
        self.journaled.abandoned().waiting_for_steps()
    }

    async fn wait_for_its_steps(&self) {
        let waiting = self.waiting();
        let request = Suspend::new(&self.fixture.id, &self.journaled, &waiting);
        expect_answer(self.fixture.steps_of_calls().suspend(&request).await);
    }

    async fn settle(&self) {
        let settled = self.begun.found_out(b"result");
        let request = WriteStep::new(&self.fixture.id, &self.journaled, &self.step, &settled);
        let request = request.replacing(Replaces::Entry(&self.begun));
        expect_answer(self.fixture.steps_of_calls().write_step(&request).await);
    }

    async fn assert_due(&self) {
        let due = self.fixture.due().await.expect("it waits for nothing any more");
        assert_eq!(due.entry.record, self.waiting().with_steps_settled());
        assert_eq!(self.fixture.due_in().await, Some(Duration::ZERO));
    }
}
