//! What operators see, purge, correct and resolve on the way.

use idempotent_core::backends::{MigrationMode, Mover};
use idempotent_core::engine::Resolution;
use idempotent_core::model::{Outcome, RecordId};
use idempotent_core::store::{Correct, CorrectOutcome, Release, Scan, State, Store};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_tests::{Attempt, HOUR, secs};
use tokio::time::Instant;

use crate::fleet::{Fleet, assert_replays, taken};
use MigrationMode::{Both, New, Old};

async fn found(store: &dyn Store, scan: Scan) -> Vec<(RecordId, State)> {
    let (mut found, mut next) = (Vec::new(), Some(scan.clone()));
    while let Some(scan) = next {
        let page = store.scan(&scan).await.unwrap();
        found.extend(page.entries.into_iter().map(|(id, entry)| (id, entry.state)));
        next = page.next.map(|cursor| scan.after(cursor));
    }
    found
}

/// Whoever reads of an indeterminate call may free it, and would free the reservation of one that runs.
#[tokio::test]
async fn a_call_that_runs_is_not_told_as_indeterminate_since_the_new_store_missed_its_renewals() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.new.inject(StoreMethod::Renew, When::Always, Fault::Fail);
    for _ in 0..2 {
        fleet.clock.advance(Attempt::LEASE * 2 / 3);
        attempt.renew(&owner, &reservation).await.unwrap();
    }
    let in_new = fleet.new.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(in_new.state, State::Indeterminate);
    for mode in [Both, New] {
        let process = fleet.process(mode);
        assert_eq!(found(&process, Scan::indeterminate()).await, [], "{mode}");
        let unfinished = found(&process, Scan::unfinished()).await;
        assert_eq!(unfinished, [(attempt.id.clone(), State::Reserved)], "{mode}");
    }
    attempt.complete(&fleet.old, &reservation, b"receipt").await.unwrap();
    for mode in [Both, New] {
        assert_eq!(found(&fleet.process(mode), Scan::unfinished()).await, [], "{mode}");
    }
}

/// Its owner could not reach the old store at its end.
#[tokio::test]
async fn a_call_whose_result_is_in_the_new_store_is_not_told_as_unfinished() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.old.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    attempt.complete(&owner, &reservation, b"receipt").await.unwrap_err();
    fleet.lapse();
    for mode in [Both, New] {
        assert_eq!(found(&fleet.process(mode), Scan::unfinished()).await, [], "{mode}");
        let completed = [(attempt.id.clone(), State::Completed)];
        let all = found(&fleet.process(mode), Scan::all()).await;
        assert_eq!(all, completed, "{mode}");
    }
}

/// They would believe that a retry runs.
#[tokio::test]
async fn an_operator_is_told_that_the_old_store_could_not_be_told() {
    for mode in [Both, New] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        let reservation = attempt.win(&fleet.process(Both)).await;
        fleet.lapse();
        let operator = fleet.engine(mode);
        let seen = operator.inspect(&attempt.id).await.unwrap().unwrap();
        fleet.old.inject(StoreMethod::Release, When::Always, Fault::Fail);
        let release = Release::new(&attempt.id, &reservation).including_indeterminate();
        fleet.process(mode).release(&release).await.unwrap_err();
        let never = Resolution::never_happened_and_owner_is_dead;
        operator.resolve(&seen, never()).await.unwrap_err();
        fleet.old.heal();
        operator.resolve(&seen, never()).await.unwrap();
        assert!(fleet.old.load(&attempt.id).await.unwrap().is_none(), "{mode}");
    }
}

/// A hundred records would take a hundred seconds one by one.
#[tokio::test(start_paused = true)]
async fn a_page_looks_for_several_records_in_the_other_store_at_once() {
    let fleet = Fleet::new();
    for _ in 0..100 {
        Attempt::new().win(&fleet.process(Both)).await;
    }
    for store in [&fleet.old, &fleet.new] {
        store.inject(StoreMethod::Load, When::Always, Fault::Delay(secs(1)));
    }
    let begin = Instant::now();
    let found = found(&fleet.process(Both), Scan::unfinished().limit(100)).await;
    assert_eq!((found.len(), fleet.new.calls(StoreMethod::Load)), (100, 100));
    assert!(begin.elapsed() <= secs(20), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn an_indeterminate_call_of_either_store_is_found_by_both_and_new() {
    for owner in [Old, Both, New] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        attempt.win(&fleet.process(owner)).await;
        fleet.lapse();
        for mode in [Both, New] {
            let found = found(&fleet.process(mode), Scan::indeterminate()).await;
            assert_eq!(found, [(attempt.id.clone(), State::Indeterminate)], "{owner} {mode}");
        }
    }
}

/// That is why the guide says through which processes to purge.
#[tokio::test]
async fn a_purge_through_old_reaches_the_old_store_alone() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    attempt.record(&owner, &reservation, b"receipt").await;
    assert!(fleet.process(Old).purge(&attempt.id).await.unwrap());
    assert_replays(&fleet, &[Both, New], &attempt).await;
    assert!(fleet.process(Both).purge(&attempt.id).await.unwrap());
    for store in [&fleet.old, &fleet.new] {
        assert!(store.load(&attempt.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_correction_beside_the_result_of_another_run_is_told_as_changed() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    let ours = attempt.win(&fleet.old).await;
    attempt.record(&fleet.old, &ours, b"receipt").await;
    let theirs = attempt.win(&fleet.new).await;
    attempt.record(&fleet.new, &theirs, b"another").await;
    let (seen, better) = (taken(&fleet.old, &attempt).await.record, ours.completed(b"better"));
    let correct = Correct::new(&attempt.id, &seen, &better, HOUR);
    let outcome = fleet.process(Both).correct(&correct).await.unwrap();
    assert_eq!(outcome, CorrectOutcome::Changed);
}

/// The owner was alive after all, and its result may have been replayed.
#[tokio::test]
async fn what_an_operator_said_in_the_old_store_does_not_replace_a_calls_own_result_in_the_new_one()
{
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let reservation = attempt.win(&fleet.process(Both)).await;
    fleet.lapse();
    let operator = fleet.engine(Old);
    let seen = operator.inspect(&attempt.id).await.unwrap().unwrap();
    operator.resolve(&seen, Resolution::completed("said")).await.unwrap();
    attempt.record(&fleet.new, &reservation, b"receipt").await;
    let mover = Mover::new(fleet.old.clone(), fleet.new.clone());
    let mut pass = mover.pass();
    while pass.next().await.unwrap() {}
    let report = pass.report();
    assert_eq!((report.conflicts, report.corrected, report.left()), (1, 0, 1), "{report:?}");
    assert_eq!(report.stuck(), 1);
    let record = taken(&fleet.new, &attempt).await.record;
    assert_eq!(record.outcome(), Outcome::Kept(b"receipt"));
}
