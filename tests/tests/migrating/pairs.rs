//! Neighbouring modes side by side, each after the crash or the fault that it must survive.

use std::sync::Arc;

use idempotent_core::backends::{MemoryStore, Migrating, MigrationMode, Mover};
use idempotent_core::engine::Resolution;
use idempotent_core::model::NotKept;
use idempotent_core::store::{
    Complete, CompleteOutcome, Correct, RenewOutcome, ReserveOutcome, State, Store,
};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, step};
use idempotent_tests::{Attempt, HOUR, Runs, secs};

use crate::fleet::{Fleet, MODES, assert_replays, taken};
use MigrationMode::{Both, New, Old};

#[tokio::test]
async fn a_reservation_of_either_neighbour_is_respected_by_the_other() {
    for (owner, other) in [(Old, Both), (Both, Old), (Both, New), (New, Both)] {
        for attempt in [Attempt::new(), Attempt::at_most_once()] {
            let fleet = Fleet::new();
            let reservation = attempt.win(&fleet.process(owner)).await;
            let entry = taken(&fleet.process(other), &attempt).await;
            assert_eq!((entry.state, entry.record), (State::Reserved, reservation.clone()));
            attempt.record(&fleet.process(owner), &reservation, b"receipt").await;
            assert_replays(&fleet, &[owner, other], &attempt).await;
        }
    }
}

#[tokio::test]
async fn who_steps_back_leaves_nothing_in_either_store() {
    for (owner, other) in [(New, Both), (Both, New), (Old, New)] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        let reservation = attempt.win(&fleet.process(owner)).await;
        taken(&fleet.process(other), &attempt).await;
        attempt.release(&fleet.process(owner), &reservation).await.unwrap();
        for store in [&fleet.old, &fleet.new] {
            assert!(store.load(&attempt.id).await.unwrap().is_none(), "{owner} {other}");
        }
    }
}

/// The owner is killed where the new store is to be told.
#[tokio::test]
async fn a_result_whose_owner_died_between_the_two_stores_is_replayed_in_every_mode() {
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        for lapses in [false, true] {
            let fleet = Fleet::new();
            let owner = fleet.process(Both);
            let reservation = attempt.win(&owner).await;
            fleet.new.inject(StoreMethod::Complete, When::Nth(1), Fault::Fail);
            attempt.record(&owner, &reservation, b"receipt").await;
            if lapses {
                fleet.lapse();
            }
            assert_replays(&fleet, &MODES, &attempt).await;
            let mover = Mover::new(fleet.old.clone(), fleet.new.clone());
            let mut pass = mover.pass();
            while pass.next().await.unwrap() {}
            assert!(pass.report().is_done() && pass.report().copied == 1, "{:?}", pass.report());
            assert_eq!(taken(&fleet.new, &attempt).await.state, State::Completed);
        }
    }
}

#[tokio::test]
async fn a_result_that_the_old_store_could_not_take_is_not_lost() {
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        let fleet = Fleet::new();
        let owner = fleet.process(Both);
        let reservation = attempt.win(&owner).await;
        fleet.old.inject(StoreMethod::Complete, When::Always, Fault::Fail);
        attempt.complete(&owner, &reservation, b"receipt").await.unwrap_err();
        assert_replays(&fleet, &[Both, New], &attempt).await;
        fleet.lapse();
        assert_replays(&fleet, &[Both, New], &attempt).await;
        assert!(!matches!(attempt.reserve(&fleet.process(New)).await, Ok(ReserveOutcome::Won)));
    }
}

#[tokio::test]
async fn a_lost_answer_of_either_store_is_asked_again() {
    for (store, method) in [
        (0, StoreMethod::Reserve),
        (1, StoreMethod::Reserve),
        (0, StoreMethod::Complete),
        (1, StoreMethod::Complete),
    ] {
        let (fleet, attempt) = (Fleet::new(), Attempt::new());
        [&fleet.old, &fleet.new][store].inject(method, When::Nth(1), Fault::LoseAnswer);
        let owner = fleet.process(Both);
        let request = attempt.request();
        let won = match owner.reserve(&request).await {
            Err(_) => owner.reserve(&request).await,
            won => won,
        };
        assert!(matches!(won, Ok(ReserveOutcome::Won)), "{won:?}");
        let record = request.record().completed(b"receipt");
        let complete = Complete::new(&attempt.id, request.record(), &record, HOUR);
        let done = match owner.complete(&complete).await {
            Err(_) => owner.complete(&complete).await,
            done => done,
        };
        assert!(matches!(done, Ok(CompleteOutcome::Recorded)), "{done:?}");
        assert_replays(&fleet, &MODES, &attempt).await;
    }
}

/// Its effect may have happened, and `Old` would not see the result.
#[tokio::test]
async fn a_reservation_that_is_asked_for_again_after_its_end_is_not_given_up() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let request = attempt.request();
    assert!(matches!(owner.reserve(&request).await, Ok(ReserveOutcome::Won)));
    fleet.old.inject(StoreMethod::Complete, When::Always, Fault::Fail);
    attempt.complete(&owner, request.record(), b"receipt").await.unwrap_err();
    match owner.reserve(&request).await.unwrap() {
        ReserveOutcome::Taken(entry) => assert_eq!(entry.state, State::Completed),
        won => panic!("{won:?}"),
    }
    assert_eq!(taken(&fleet.process(Old), &attempt).await.state, State::Reserved);
}

#[tokio::test]
async fn without_either_store_no_call_runs_and_what_runs_there_goes_on() {
    for (mode, down) in [(Both, 0), (Both, 1), (New, 0), (New, 1)] {
        let (fleet, attempt) = (Fleet::new(), Attempt::new());
        let store = [&fleet.old, &fleet.new][down];
        for method in [StoreMethod::Reserve, StoreMethod::Load] {
            store.inject(method, When::Always, Fault::Fail);
        }
        assert!(attempt.reserve(&fleet.process(mode)).await.is_err(), "{mode}");
        store.heal();
        let process = fleet.process(mode);
        // As the engine does after an error; a reservation that stands would lapse otherwise.
        fleet.lapse();
        let reservation = attempt.win(&process).await;
        fleet.new.inject(StoreMethod::Renew, When::Always, Fault::Fail);
        if mode == Both {
            let renewed = attempt.renew(&process, &reservation).await.unwrap();
            assert_eq!(renewed, RenewOutcome::Renewed, "the old store's lease counts");
        }
    }
}

#[tokio::test]
async fn a_full_new_store_leaves_no_reservation_in_the_old_one() {
    let old = MemoryStore::new();
    let new = MemoryStore::builder().max_unfinished(1).build();
    let process = Migrating::new(old.clone(), new, Both);
    Attempt::new().win(&process).await;
    let refused = Attempt::at_most_once();
    assert!(refused.reserve(&process).await.is_err());
    assert!(old.load(&refused.id).await.unwrap().is_none());
}

/// The engine counts a lease from before the first message.
#[tokio::test(start_paused = true)]
async fn a_lease_that_lapses_between_the_two_wins_starts_no_body() {
    const CHARGE: Operation = Operation::new("shop.charge").lease(secs(1));
    let new = FaultyStore::new(MemoryStore::new());
    new.inject(StoreMethod::Reserve, When::Nth(1), Fault::DelayAnswer(secs(2)));
    let process = Migrating::new(MemoryStore::new(), new, Both);
    let engine = Idempotency::new(process);
    let call = CHARGE.key(&7).engine(&engine).returning::<Result<u32, Error>>();
    let ran = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let runs = ran.clone();
    let answer = call
        .run(move || async move {
            runs.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(7)
        })
        .await;
    assert!(answer.is_err() && !ran.load(std::sync::atomic::Ordering::SeqCst), "{answer:?}");
}

/// `New` looks after it has won, and not before: what is written in between would not be seen.
#[tokio::test(start_paused = true)]
async fn a_result_that_is_written_while_a_win_is_on_its_way_is_seen() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    fleet.new.inject(StoreMethod::Reserve, When::Nth(1), Fault::Delay(secs(1)));
    let late = tokio::spawn({
        let (process, attempt) = (fleet.process(New), attempt.clone());
        async move { attempt.reserve(&process).await }
    });
    fleet.new.until_called(StoreMethod::Reserve, 1).await;
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.new.inject(StoreMethod::Complete, When::Nth(1), Fault::Fail);
    attempt.record(&owner, &reservation, b"receipt").await;
    fleet.lapse();
    match late.await.unwrap().unwrap() {
        ReserveOutcome::Taken(entry) => assert_eq!(entry.state, State::Completed),
        other => panic!("{other:?}"),
    }
    assert!(fleet.new.load(&attempt.id).await.unwrap().is_none(), "it has stepped back");
}

#[tokio::test]
async fn a_tombstone_is_a_result_in_every_mode_and_moves_as_it_is() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    let reservation = attempt.win(&fleet.process(Old)).await;
    let tombstone = reservation.tombstone(NotKept::TooLarge);
    let complete = Complete::new(&attempt.id, &reservation, &tombstone, HOUR);
    fleet.process(Old).complete(&complete).await.unwrap();
    for mode in MODES {
        assert_eq!(taken(&fleet.process(mode), &attempt).await.record, tombstone, "{mode}");
    }
    let mover = Mover::new(fleet.old.clone(), fleet.new.clone());
    let mut pass = mover.pass();
    while pass.next().await.unwrap() {}
    assert_eq!(taken(&fleet.new, &attempt).await.record, tombstone);
}

const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(30));

async fn charge(engine: &Idempotency) -> Result<String, Error> {
    let call = CHARGE.key(&7).engine(engine).returning::<Result<String, Error>>();
    call.run(|| async { Ok("receipt".to_owned()) }).await
}

/// Where nobody knows how a call ended, wherever its record is, every mode says so; and an operator resolves it in any mode
/// that sees it.
#[tokio::test]
async fn an_indeterminate_call_is_refused_and_resolved_across_modes() {
    for (owner, others) in [(Old, &MODES[..]), (Both, &MODES[..]), (New, &[Both, New][..])] {
        for resolver in others {
            let fleet = Fleet::new();
            let call =
                CHARGE.key(&7).engine(&fleet.engine(owner)).returning::<Result<String, Error>>();
            let idempotent_core::call::BeginOutcome::Reserved(call) = call.begin().await.unwrap()
            else {
                panic!("it is vacant")
            };
            let id = call.record_id().unwrap().clone();
            call.abandon().await;
            for mode in others {
                let error = charge(&fleet.engine(*mode)).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Indeterminate, "{owner} {mode}");
            }
            let operator = fleet.engine(*resolver);
            let seen = operator.inspect(&id).await.unwrap().unwrap();
            operator.resolve(&seen, Resolution::completed("receipt")).await.unwrap();
            for mode in others {
                let replayed = charge(&fleet.engine(*mode)).await.unwrap();
                assert_eq!(replayed, "receipt", "{owner} {resolver} {mode}");
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_never_happened_is_freed_in_both_stores() {
    for resolver in [Both, New] {
        let fleet = Fleet::new();
        let attempt = Attempt::at_most_once();
        let id = attempt.id.clone();
        attempt.win(&fleet.process(Both)).await;
        fleet.lapse();
        let operator = fleet.engine(resolver);
        let seen = operator.inspect(&id).await.unwrap().unwrap();
        let never = Resolution::never_happened_and_owner_is_dead();
        operator.resolve(&seen, never).await.unwrap();
        for store in [&fleet.old, &fleet.new] {
            assert!(store.load(&id).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn a_purge_and_a_correction_reach_both_stores() {
    for mode in [Both, New] {
        let (fleet, attempt) = (Fleet::new(), Attempt::new());
        let reservation = attempt.win(&fleet.process(Both)).await;
        attempt.record(&fleet.process(Both), &reservation, b"receipt").await;
        let seen = taken(&fleet.old, &attempt).await.record;
        let better = reservation.completed(b"better");
        let correct = Correct::new(&attempt.id, &seen, &better, HOUR);
        fleet.process(mode).correct(&correct).await.unwrap();
        for store in [&fleet.old, &fleet.new] {
            assert_eq!(taken(store, &attempt).await.record, better);
        }
        assert!(fleet.process(mode).purge(&attempt.id).await.unwrap());
        for store in [&fleet.old, &fleet.new] {
            assert!(store.load(&attempt.id).await.unwrap().is_none());
        }
    }
}

async fn checkout(engine: &Idempotency, paid: &Runs) -> Result<usize, Error> {
    let call = Operation::new("shop.checkout").key(&7).engine(engine);
    call.returning::<Result<usize, Error>>()
        .run(|| async { step("pay", || async { Ok::<_, Error>(paid.note()) }).await })
        .await
}

/// A call that is suspended in the old store is not run anew by a mode that cannot resume it.
#[tokio::test]
async fn calls_with_steps_are_served_by_old_and_refused_by_both_and_new() {
    for mode in [Both, New] {
        let (fleet, paid) = (Fleet::new(), Runs::new());
        let engine = fleet.engine(mode);
        let refused = checkout(&engine, &paid).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{mode}: {refused}");
        assert!(refused.to_string().contains("keeps no journals of steps"), "{mode}: {refused}");
        // Nothing has happened, so its key is free, and the old store's processes make the call.
        let id = engine.record_id("shop.checkout", None, &7).unwrap();
        assert!(fleet.process(mode).load(&id).await.unwrap().is_none(), "{mode}");
        assert_eq!(paid.count(), 0);
        checkout(&fleet.engine(Old), &paid).await.unwrap();
        assert_eq!(paid.count(), 1);
        assert!(fleet.process(mode).journal().is_none() && fleet.process(mode).tables().is_none());
        assert!(fleet.process(mode).due_calls().is_none());
    }
}
