//! Journals: the steps of a call, and how another run resumes it. A store without them has nothing to check.

use super::fixture::{Fixture, Owner, expect_answer};
use super::journal_run::{Run, entry, recorded, require_journal, step};
use crate::model::{Guarantee, StepStatus, Token};
use crate::store::{
    CompleteOutcome, Journal, Release, RenewOutcome, Replaces, ResumeOutcome, State, Suspend,
    WithoutJournal, WriteStep, WriteStepOutcome,
};

pub(super) async fn a_first_step_marks_the_reservation_and_keeps_its_lease(fixture: Fixture) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    fixture.advance(fixture.lease() / 2).await;
    assert_eq!(fixture.write(&run, "charge", &recorded(b"1")).await, WriteStepOutcome::Written);
    let entry = fixture.expect_taken().await;
    assert_eq!((entry.state, &entry.record), (State::Reserved, &run.record));
    fixture.assert_remaining(&entry, fixture.lease() / 2);
}

pub(super) async fn a_lapsed_call_with_a_journal_is_suspended_and_nobody_reserves_it(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    fixture.let_lease_expire().await;
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, &found.record), (State::Suspended, &run.record));
    assert_eq!(fixture.load().await.map(|entry| entry.state), Some(State::Suspended));
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn every_step_is_loaded_byte_for_byte(fixture: Fixture) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    let entries = [recorded(b""), recorded(b"a\0b'"), recorded(&[7; 100_000])];
    let mut expected = Vec::new();
    for (name, entry) in ["a", "b", "c"].into_iter().zip(entries) {
        assert_eq!(fixture.write(&run, name, &entry).await, WriteStepOutcome::Written);
        expected.push((step(&fixture, name), entry));
    }
    expected.sort_by_key(|(step, _)| *step);
    assert_eq!(fixture.other_process().steps(&run).await, expected);
}

pub(super) async fn of_many_runs_that_resume_a_call_exactly_one_wins(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    fixture.let_lease_expire().await;
    let outcomes = fixture.race(8, |fixture, _| {
        let run = run.clone();
        async move {
            let next = Run::next(&fixture, &run);
            matches!(fixture.resume(&run, &next).await, ResumeOutcome::Won)
        }
    });
    let wins = outcomes.await.into_iter().filter(|won| *won).count();
    fixture.assert_one_won(wins, "runs that resumed one call");
    assert_eq!(fixture.expect_taken().await.state, State::Reserved);
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn a_repeated_resume_has_won_and_a_later_one_finds_the_call_taken(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled().await;
    let next = Run::next(&fixture, &run);
    let running = fixture.resume(&run, &next).await;
    assert!(matches!(running, ResumeOutcome::Taken(found) if found.state == State::Reserved));
    fixture.let_lease_expire().await;
    for _ in 0..2 {
        assert!(matches!(fixture.resume(&run, &next).await, ResumeOutcome::Won));
    }
    fixture.assert_remaining(&fixture.expect_taken().await, fixture.lease());
    let other = Run::next(&fixture, &run);
    let taken = fixture.resume(&run, &other).await;
    assert!(matches!(taken, ResumeOutcome::Taken(found) if found.record == next.record));
}

pub(super) async fn a_fenced_run_writes_no_step_and_does_not_suspend_its_successor(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (fenced, entry) = fixture.journaled().await;
    fixture.let_lease_expire().await;
    let next = Run::next(&fixture, &fenced);
    assert!(matches!(fixture.resume(&fenced, &next).await, ResumeOutcome::Won));
    let late = recorded(b"late");
    assert_eq!(fixture.write(&fenced, "ship", &late).await, WriteStepOutcome::Fenced);
    assert_eq!(fixture.write(&fenced, "charge", &late).await, WriteStepOutcome::Fenced);
    fixture.suspend(&fenced, &fenced.record.abandoned()).await;
    assert_eq!(fixture.expect_taken().await.record, next.record);
    assert_eq!(fixture.steps(&next).await, [(step(&fixture, "charge"), entry)]);
    assert_eq!(fixture.renew(&fenced.owner, fixture.lease()).await, RenewOutcome::Lost);
}

pub(super) async fn a_late_run_writes_while_nobody_has_taken_the_call_and_begins_nothing(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled().await;
    let (begun, tried) = (entry(StepStatus::Begun, b""), entry(StepStatus::Tried, b""));
    assert_eq!(fixture.write(&run, "print", &tried).await, WriteStepOutcome::Written);
    fixture.let_lease_expire().await;
    assert_eq!(fixture.write(&run, "ship", &recorded(b"2")).await, WriteStepOutcome::Written);
    assert_eq!(fixture.begin(&run, "pay", &begun).await, WriteStepOutcome::Fenced);
    let again = fixture.begin_over(&run, "print", Replaces::Entry(&tried), &begun).await;
    assert_eq!(again, WriteStepOutcome::Fenced);
    let steps = fixture.steps(&run).await;
    assert!(steps.len() == 3 && steps.contains(&(step(&fixture, "print"), tried)));
}

pub(super) async fn a_fenced_run_settles_the_step_that_it_began_and_no_other(fixture: Fixture) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    let (mine, settled) = (entry(StepStatus::Begun, b""), recorded(b"late"));
    assert_eq!(fixture.begin(&run, "pay", &mine).await, WriteStepOutcome::Written);
    fixture.let_lease_expire().await;
    let next = Run::next(&fixture, &run);
    assert!(matches!(fixture.resume(&run, &next).await, ResumeOutcome::Won));
    let others = entry(StepStatus::Begun, b"");
    let refused = fixture.replace(&run, "pay", Replaces::Entry(&others), &settled).await;
    assert_eq!(refused, WriteStepOutcome::Fenced);
    let refused = fixture.replace(&run, "ship", Replaces::Entry(&mine), &settled).await;
    assert_eq!(refused, WriteStepOutcome::Fenced);
    for _ in 0..2 {
        let late = fixture.replace(&run, "pay", Replaces::Entry(&mine), &settled).await;
        assert_eq!(late, WriteStepOutcome::Written);
    }
    assert_eq!(fixture.steps(&next).await, [(step(&fixture, "pay"), settled)]);
}

pub(super) async fn a_step_replaces_only_what_it_may(fixture: Fixture) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    let (first, second) = (entry(StepStatus::Begun, b""), entry(StepStatus::Begun, b""));
    for _ in 0..2 {
        assert_eq!(fixture.begin(&run, "pay", &first).await, WriteStepOutcome::Written);
    }
    assert_eq!(fixture.begin(&run, "pay", &second).await, WriteStepOutcome::Conflict);
    let wrong = fixture.replace(&run, "pay", Replaces::Entry(&second), &recorded(b"x")).await;
    assert_eq!(wrong, WriteStepOutcome::Conflict);
    let nothing = fixture.replace(&run, "ship", Replaces::Entry(&second), &recorded(b"x")).await;
    assert_eq!(nothing, WriteStepOutcome::Conflict);
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "pay"), first.clone())]);
    let right = fixture.replace(&run, "pay", Replaces::Entry(&first), &second).await;
    assert_eq!(right, WriteStepOutcome::Written);
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "pay"), second)]);
}

pub(super) async fn a_step_that_replaces_another_marks_no_reservation(fixture: Fixture) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    let (begun, tried) = (entry(StepStatus::Begun, b""), entry(StepStatus::Tried, b""));
    // The write of the first was refused, and its owner takes it back.
    let taken_back = fixture.replace(&run, "pay", Replaces::Entry(&begun), &tried).await;
    assert_ne!(taken_back, WriteStepOutcome::Written);
    let again = fixture.begin_over(&run, "pay", Replaces::Entry(&begun), &tried).await;
    assert_ne!(again, WriteStepOutcome::Written);
    assert_eq!(fixture.expect_taken().await.record, run.owner.reservation);
    assert_eq!(fixture.steps(&run).await, []);
}

pub(super) async fn steps_that_are_named_beside_another_replace_none(fixture: Fixture) {
    require_journal!(fixture);
    let (run, charge) = fixture.journaled().await;
    let tried = entry(StepStatus::Tried, b"");
    let also =
        [(step(&fixture, "charge"), tried.clone()), (step(&fixture, "notify"), tried.clone())];
    let (ship, shipped) = (step(&fixture, "ship"), recorded(b"2"));
    let request = WriteStep::new(&fixture.id, &run.record, &ship, &shipped).also(&also);
    let written = expect_answer(fixture.journal().write_step(&request).await);
    assert_eq!(written, WriteStepOutcome::Written);
    let mut expected =
        [(step(&fixture, "charge"), charge), (step(&fixture, "notify"), tried), (ship, shipped)];
    expected.sort_by_key(|(step, _)| *step);
    assert_eq!(fixture.steps(&run).await, expected);
}

pub(super) async fn a_write_that_takes_its_record_for_marked_marks_one_that_is_not(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    for (name, steps) in [("charge", 1), ("ship", 2)] {
        let (step, entry) = (step(&fixture, name), recorded(b"1"));
        let request = WriteStep::new(&fixture.id, &run.record, &step, &entry).marked();
        let written = expect_answer(fixture.journal().write_step(&request).await);
        assert_eq!(written, WriteStepOutcome::Written);
        let found = fixture.expect_taken().await;
        assert_eq!((found.state, &found.record), (State::Reserved, &run.record));
        assert_eq!(fixture.steps(&run).await.len(), steps);
    }

    // Nor does it write for a run that is over.
    fixture.let_lease_expire().await;
    let next = Run::next(&fixture, &run);
    assert!(matches!(fixture.resume(&run, &next).await, ResumeOutcome::Won));
    let (step, entry) = (step(&fixture, "notify"), recorded(b"1"));
    let request = WriteStep::new(&fixture.id, &run.record, &step, &entry).marked();
    let written = expect_answer(fixture.journal().write_step(&request).await);
    assert_eq!(written, WriteStepOutcome::Fenced);
    assert_eq!(fixture.steps(&next).await.len(), 2);
}

pub(super) async fn a_suspended_call_lapses_at_once_and_keeps_its_steps(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    let suspended = run.record.abandoned();
    fixture.suspend(&run, &suspended).await;
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, &found.record), (State::Suspended, &suspended));
    let next = Run::next(&fixture, &run);
    let seen = run.seen_as(&suspended);
    assert!(matches!(fixture.resume(&seen, &next).await, ResumeOutcome::Won));
    assert_eq!(fixture.steps(&next).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn a_call_that_was_suspended_anew_is_resumed_as_it_is_now(fixture: Fixture) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled().await;
    let before = run.record.abandoned();
    fixture.suspend(&run, &before).await;
    let after = before.with_last_error("why it is suspended");
    fixture.suspend(&run, &after).await;
    let (next, seen) = (Run::next(&fixture, &run), run.seen_as(&before));
    let outdated = fixture.resume(&seen, &next).await;
    assert!(matches!(outdated, ResumeOutcome::Taken(found) if found.record == after));
    let seen = run.seen_as(&after);
    assert!(matches!(fixture.resume(&seen, &next).await, ResumeOutcome::Won));
}

pub(super) async fn a_suspended_call_in_doubt_is_indeterminate_until_it_is_suspended_again(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    let (begun, tried) = (entry(StepStatus::Begun, b""), entry(StepStatus::Tried, b""));
    assert_eq!(fixture.begin(&run, "pay", &begun).await, WriteStepOutcome::Written);
    let doubtful = run.record.with_guarantee(Guarantee::AtMostOnce).abandoned();
    fixture.suspend(&run, &doubtful).await;
    assert_eq!(fixture.expect_taken().await.state, State::Indeterminate);
    let (next, seen) = (Run::next(&fixture, &run), run.seen_as(&doubtful));
    assert!(matches!(fixture.resume(&seen, &next).await, ResumeOutcome::Taken(_)));
    // An operator says that the step did not happen.
    let settles = [(step(&fixture, "pay"), begun, tried.clone())];
    let suspended = run.record.abandoned();
    let request = Suspend::new(&fixture.id, &doubtful, &suspended).settling(&settles);
    expect_answer(fixture.journal().suspend(&request).await);
    let seen = run.seen_as(&suspended);
    assert!(matches!(fixture.resume(&seen, &next).await, ResumeOutcome::Won));
    assert_eq!(fixture.steps(&next).await, [(step(&fixture, "pay"), tried)]);
}

pub(super) async fn a_call_without_a_journal_is_released_or_abandoned_when_it_is_suspended(
    fixture: Fixture,
) {
    require_journal!(fixture);
    let run = fixture.begin_run().await;
    fixture.suspend(&run, &run.record.abandoned()).await;
    fixture.assert_vacant().await;

    let fixture = fixture.with_fresh_id();
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    let run = Run::new(&owner);
    let (suspended, abandoned) = (run.record.abandoned(), owner.reservation.abandoned());
    let request = Suspend::new(&fixture.id, &owner.reservation, &suspended);
    let request = request.otherwise(WithoutJournal::Abandon(&abandoned));
    expect_answer(fixture.journal().suspend(&request).await);
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, found.record), (State::Indeterminate, abandoned));
}

pub(super) async fn nobody_frees_a_call_with_a_journal_without_knowing_of_it(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    fixture.release(&run.owner).await;
    fixture.abandon(&run.owner, &run.owner.reservation.abandoned()).await;
    let release = Release::new(&fixture.id, &run.owner.reservation).including_indeterminate();
    expect_answer(fixture.store.release(&release).await);
    let found = fixture.expect_taken().await;
    assert!(found.record.has_journal(), "{found:?}");
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn who_knows_of_no_journal_does_not_suspend_a_call_with_one(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    let suspended = run.owner.reservation.abandoned();
    let request = Suspend::new(&fixture.id, &run.owner.reservation, &suspended);
    let request = request.otherwise(WithoutJournal::Abandon(&suspended));
    expect_answer(fixture.journal().suspend(&request).await);
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, &found.record), (State::Reserved, &run.record));
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn a_completed_call_has_no_journal(fixture: Fixture) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled().await;
    fixture.expect_recorded(&run.owner, b"result").await;
    assert_eq!(fixture.steps(&run).await, []);
    let found = fixture.expect_taken().await;
    assert_eq!((found.state, found.record), (State::Completed, run.owner.completed(b"result")));
    assert_eq!(fixture.write(&run, "late", &recorded(b"x")).await, WriteStepOutcome::Fenced);
    assert_eq!(fixture.steps(&run).await, []);
    fixture.advance(fixture.ttl() + fixture.lease()).await;
    fixture.assert_vacant().await;
}

/// As by an operator who corrects what was said of a step, and whoever has gone on with it lives.
pub(super) async fn a_call_that_is_suspended_with_another_token_fences_its_late_owner(
    fixture: Fixture,
) {
    require_journal!(fixture);
    if !fixture.store.journal().is_some_and(Journal::fences_by_suspend) {
        return;
    }
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let (run, charge) = fixture.journaled().await;
        let (begun, paid) = (entry(StepStatus::Begun, b""), recorded(b"paid"));
        assert_eq!(fixture.begin(&run, "pay", &begun).await, WriteStepOutcome::Written);
        fixture.let_lease_expire().await;
        let fenced = run.record.with_guarantee(guarantee).abandoned().of_token(Token::random());
        for _ in 0..2 {
            fixture.suspend(&run, &fenced).await;
        }
        let (ship, shipped) = (step(&fixture, "ship"), recorded(b"late"));
        let late = WriteStep::new(&fixture.id, &run.record, &ship, &shipped);
        for late in [late, late.marked()] {
            let late = expect_answer(fixture.journal().write_step(&late).await);
            assert_eq!(late, WriteStepOutcome::Fenced);
        }
        // What it began itself it settles all the same.
        let settled = fixture.replace(&run, "pay", Replaces::Entry(&begun), &paid).await;
        assert_eq!(settled, WriteStepOutcome::Written);
        fixture.suspend(&run, &run.record.abandoned()).await;
        fixture.release(&run.owner).await;
        let late = fixture.complete(&run.owner, b"late").await;
        assert!(matches!(late, CompleteOutcome::Superseded(_)), "{late:?}");
        assert_eq!(fixture.expect_taken().await.record, fenced);

        // Whoever saw it as it is now has it go on, and resumes it.
        let suspended = fenced.with_guarantee(Guarantee::AtLeastOnce);
        let seen = Owner { reservation: fenced };
        fixture.suspend(&Run { record: suspended.clone(), owner: seen }, &suspended).await;
        let next = Run::next(&fixture, &run);
        assert!(matches!(
            fixture.resume(&run.seen_as(&suspended), &next).await,
            ResumeOutcome::Won
        ));
        let mut expected = [(step(&fixture, "charge"), charge), (step(&fixture, "pay"), paid)];
        expected.sort_by_key(|(step, _)| *step);
        assert_eq!(fixture.steps(&next).await, expected);
    }
}

pub(super) async fn another_runs_result_does_not_complete_a_suspended_call(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled().await;
    fixture.let_lease_expire().await;
    let superseded = fixture.complete(&Owner::unknown(), b"other").await;
    assert!(matches!(superseded, CompleteOutcome::Superseded(_)), "{superseded:?}");
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
    // Its own late owner's does.
    fixture.expect_recorded(&run.owner, b"late").await;
}

pub(super) async fn a_purged_call_has_no_journal(fixture: Fixture) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled().await;
    assert!(fixture.purge().await);
    assert_eq!(fixture.steps(&run).await, []);
    fixture.assert_vacant().await;
}

pub(super) async fn a_journal_lives_as_long_as_its_record_after_a_renewal(fixture: Fixture) {
    require_journal!(fixture);
    let (run, entry) = fixture.journaled_for(fixture.retention()).await;
    fixture.advance(fixture.lease() / 2).await;
    assert_eq!(fixture.renew(&run.owner, fixture.lease()).await, RenewOutcome::Renewed);
    fixture.advance(fixture.lease() + fixture.retention() / 2).await;
    assert_eq!(fixture.expect_taken().await.state, State::Suspended);
    assert_eq!(fixture.steps(&run).await, [(step(&fixture, "charge"), entry)]);
}

pub(super) async fn a_call_that_is_won_again_after_its_retention_has_no_steps(fixture: Fixture) {
    require_journal!(fixture);
    let (run, _) = fixture.journaled_for(fixture.retention()).await;
    fixture.advance(fixture.lease() + fixture.retention() * 6 / 5).await;
    let next = Run::next(&fixture, &run);
    assert!(!matches!(fixture.resume(&run, &next).await, ResumeOutcome::Won));
    let fresh = fixture.begin_run().await;
    let entry = recorded(b"new");
    assert_eq!(fixture.write(&fresh, "ship", &entry).await, WriteStepOutcome::Written);
    assert_eq!(fixture.steps(&fresh).await, [(step(&fixture, "ship"), entry)]);
    assert_eq!(fixture.steps(&run).await, []);
}
