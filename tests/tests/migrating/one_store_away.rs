//! What goes on, and what is left, while one of the two stores is away or does not answer.

use std::time::Duration;

use idempotent_core::backends::MigrationMode;
use idempotent_core::store::{
    Abandon, RenewOutcome, ReserveOutcome, Scan, State, Store as _, Wait,
};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, Guarantee, Idempotency, Operation};
use idempotent_tests::{Attempt, secs};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::fleet::{Fleet, MODES, assert_replays, taken};
use MigrationMode::{Both, New, Old};

/// The engine gives up after this long by default.
const ENGINE: Duration = secs(5);

/// Under *at most once* a reservation that stayed would be in doubt for ever, though nothing ran.
#[tokio::test(start_paused = true)]
async fn while_the_new_store_is_away_or_hangs_no_reservation_stays_in_the_old_one() {
    for fault in [Fault::Fail, Fault::LoseAnswer, Fault::Hang, Fault::HangAfter] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        fleet.new.inject(StoreMethod::Reserve, When::Always, fault);
        let answer = timeout(ENGINE, attempt.reserve(&fleet.process(Both))).await;
        let error = answer.expect("it does not wait for ever").unwrap_err();
        assert!(error.is_answer(), "the old store is there: {error}");
        assert_eq!(error.server(), Some("the new store"));
        assert!(fleet.old.load(&attempt.id).await.unwrap().is_none(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_old_store_is_away_or_hangs_no_reservation_stays_in_the_new_one() {
    for fault in [Fault::Fail, Fault::LoseAnswer, Fault::Hang, Fault::HangAfter] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        fleet.old.inject(StoreMethod::Load, When::Always, fault);
        let answer = timeout(ENGINE, attempt.reserve(&fleet.process(New))).await;
        let error = answer.expect("it does not wait for ever").unwrap_err();
        assert!(error.is_answer(), "the new store is there: {error}");
        assert_eq!(error.server(), Some("the old store"));
        assert!(fleet.new.load(&attempt.id).await.unwrap().is_none(), "{fault:?}");
    }
}

/// What the new store took all the same is released by whoever asked, and nothing stays.
#[tokio::test(start_paused = true)]
async fn a_call_whose_reservation_hangs_in_the_new_store_runs_when_it_is_back() {
    let fleet = Fleet::new();
    let engine = fleet.engine(Both);
    fleet.new.inject(StoreMethod::Reserve, When::Always, Fault::HangAfter);
    charge(&engine, 7).await.unwrap_err();
    fleet.new.heal();
    engine.drain().await;
    for store in [&fleet.old, &fleet.new] {
        assert_eq!(store.scan(&Scan::all()).await.unwrap().entries.len(), 0);
    }
    assert_eq!(charge(&engine, 7).await.unwrap(), "receipt 7");
}

/// It is so in any case. Not so that nobody knows how it ended.
#[tokio::test(start_paused = true)]
async fn a_call_that_runs_is_told_as_running_though_the_other_store_hangs() {
    for (mode, is_lapsed) in [(Both, false), (New, false), (Both, true), (New, true)] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        attempt.win(&fleet.process(mode)).await;
        if is_lapsed {
            fleet.lapse();
        }
        let other = if mode == Both { &fleet.new } else { &fleet.old };
        other.inject(StoreMethod::Load, When::Always, Fault::Hang);
        let process = fleet.process(mode);
        let answer = timeout(ENGINE, attempt.reserve(&process)).await;
        match answer.expect("it does not wait for ever") {
            Ok(ReserveOutcome::Taken(entry)) => {
                assert_eq!((entry.state, is_lapsed), (State::Reserved, false), "{mode}");
            }
            Ok(won) => panic!("{mode}: {won:?}"),
            Err(error) => assert!(is_lapsed && !error.is_outage(), "{mode}: {error}"),
        }
    }
}

const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(30));

async fn charge(engine: &Idempotency, order: u64) -> Result<String, Error> {
    let call = CHARGE.key(&order).engine(engine).returning::<Result<String, Error>>();
    call.run(|| async { Ok(format!("receipt {order}")) }).await
}

/// With the usual circuit.
#[tokio::test(start_paused = true)]
async fn replays_go_on_however_many_new_calls_fail_for_want_of_the_other_store() {
    for (mode, fault) in
        [(Both, Fault::Fail), (New, Fault::Fail), (Both, Fault::Hang), (New, Fault::Hang)]
    {
        let fleet = Fleet::new();
        let engine = fleet.engine(mode);
        charge(&engine, 7).await.unwrap();
        let (second, method) = match mode {
            Both => (&fleet.new, StoreMethod::Reserve),
            _ => (&fleet.old, StoreMethod::Load),
        };
        second.inject(method, When::Always, fault);
        for order in 100..150 {
            charge(&engine, order).await.unwrap_err();
        }
        // Another process's memory of results is no help here.
        assert_eq!(charge(&engine, 7).await.unwrap(), "receipt 7", "{mode} {fault:?}");
    }
}

/// The old store has answered, and that is what the circuit is about.
#[tokio::test(start_paused = true)]
async fn a_circuit_closes_when_the_old_store_is_back_though_the_new_one_hangs() {
    let fleet = Fleet::new();
    let engine = fleet.engine(Both);
    charge(&engine, 7).await.unwrap();
    fleet.old.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    for order in 100..110 {
        charge(&engine, order).await.unwrap_err();
    }
    fleet.old.heal();
    fleet.new.inject(StoreMethod::Reserve, When::Always, Fault::Hang);
    sleep(secs(60)).await;
    charge(&engine, 200).await.unwrap_err();
    let asked = fleet.new.calls(StoreMethod::Reserve);
    let (new_call, replay) = tokio::join!(charge(&engine, 201), async {
        fleet.new.until_called(StoreMethod::Reserve, asked + 1).await;
        charge(&engine, 7).await
    });
    new_call.unwrap_err();
    assert_eq!(replay.unwrap(), "receipt 7");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_of_a_result_that_the_new_store_never_got() {
    for mode in [Both, New] {
        let (fleet, attempt) = (Fleet::new(), Attempt::new());
        let owner = fleet.process(Both);
        let reservation = attempt.win(&owner).await;
        fleet.new.inject(StoreMethod::Complete, When::Always, Fault::Fail);
        attempt.record(&owner, &reservation, b"receipt").await;
        let begin = Instant::now();
        let wait = Wait::new(&attempt.id, reservation.token(), secs(60));
        fleet.process(mode).wait(&wait).await.unwrap();
        assert!(begin.elapsed() < secs(30), "{mode}: {:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_of_a_result_in_one_store_while_the_other_is_away_or_hangs() {
    for (mode, method) in [
        (Both, StoreMethod::Wait),
        (Both, StoreMethod::Load),
        (New, StoreMethod::Wait),
        (New, StoreMethod::Load),
    ] {
        for (is_old, fault) in
            [(true, Fault::Fail), (true, Fault::Hang), (false, Fault::Fail), (false, Fault::Hang)]
        {
            let (fleet, attempt) = (Fleet::new(), Attempt::new());
            let owner = fleet.process(Both);
            let reservation = attempt.win(&owner).await;
            let away = if is_old { &fleet.old } else { &fleet.new };
            away.inject(method, When::Always, fault);
            let begin = Instant::now();
            let wait = Wait::new(&attempt.id, reservation.token(), secs(10));
            let waiter = fleet.process(mode);
            let ((), told) = tokio::join!(
                async {
                    sleep(secs(1)).await;
                    attempt.record(&owner, &reservation, b"receipt").await;
                },
                waiter.wait(&wait)
            );
            told.unwrap();
            let waited = begin.elapsed();
            assert!((secs(1)..secs(3)).contains(&waited), "{mode} {method:?} {is_old}: {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn both_stores_are_told_of_a_renewal_though_either_does_not_answer() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.old.inject(StoreMethod::Renew, When::Always, Fault::Hang);
    timeout(secs(20), attempt.renew(&owner, &reservation)).await.unwrap_err();
    assert_eq!(fleet.new.calls(StoreMethod::Renew), 1);
    fleet.old.heal();
    fleet.new.inject(StoreMethod::Renew, When::Always, Fault::Hang);
    let renewed = timeout(secs(2), attempt.renew(&owner, &reservation)).await.unwrap();
    assert_eq!(renewed.unwrap(), RenewOutcome::Renewed);
}

/// The engine renews a limited number of leases at once.
#[tokio::test(start_paused = true)]
async fn no_lease_of_many_is_lost_while_the_new_store_hangs() {
    let fleet = Fleet::new();
    let engine = fleet.engine(Both);
    fleet.new.inject(StoreMethod::Renew, When::Always, Fault::Hang);
    let mut running = JoinSet::new();
    for order in 0..2_000_u64 {
        let call = CHARGE.key(&order).engine(&engine).returning::<Result<u64, Error>>();
        running.spawn(call.run(move || async move {
            sleep(secs(62)).await;
            Ok(order)
        }));
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    // Each lease of 30 s is renewed after 10.
    assert!(fleet.old.answered(StoreMethod::Renew) >= 5 * 2_000);
}

#[tokio::test(start_paused = true)]
async fn a_result_in_the_old_store_is_no_lost_one_though_the_new_store_does_not_take_it() {
    for fault in [Fault::Fail, Fault::LoseAnswer, Fault::Hang] {
        let fleet = Fleet::new();
        let engine = fleet.engine(Both);
        fleet.new.inject(StoreMethod::Complete, When::Always, fault);
        let begin = Instant::now();
        assert_eq!(charge(&engine, 7).await.unwrap(), "receipt 7");
        engine.drain().await;
        assert!(begin.elapsed() < secs(2), "{fault:?}: {:?}", begin.elapsed());
        assert_eq!(fleet.new.calls(StoreMethod::Complete), 1, "nothing is to be tried again");
        for mode in MODES {
            assert_eq!(charge(&fleet.engine(mode), 7).await.unwrap(), "receipt 7", "{mode}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_old_store_does_not_answer_for_is_written_to_the_new_one() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.old.inject(StoreMethod::Complete, When::Always, Fault::Hang);
    // The engine gives up after five seconds.
    let answer = timeout(secs(5), attempt.complete(&owner, &reservation, b"receipt")).await;
    answer.unwrap().unwrap_err();
    fleet.lapse();
    assert_replays(&fleet, &[Both, New], &attempt).await;
}

/// The old store may have another owner by now, whose result is the one that counts.
#[tokio::test]
async fn a_late_result_that_the_old_store_does_not_take_is_not_written_to_the_new_one_alone() {
    let (fleet, attempt) = (Fleet::new(), Attempt::new());
    let (late, successor) = (fleet.process(Both), fleet.process(Old));
    let reservation = attempt.win(&late).await;
    fleet.lapse();
    let theirs = attempt.win(&successor).await;
    // What has lapsed is swept.
    fleet.new.purge(&attempt.id).await.unwrap();
    fleet.old.inject(StoreMethod::Complete, When::Nth(1), Fault::Fail);
    attempt.complete(&late, &reservation, b"late").await.unwrap_err();
    attempt.record(&successor, &theirs, b"receipt").await;
    assert_replays(&fleet, &MODES, &attempt).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_released_is_vacant_in_the_old_store_though_the_new_one_does_not_answer() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.new.inject(StoreMethod::Release, When::Always, Fault::Hang);
    let answer = timeout(secs(2), attempt.release(&owner, &reservation)).await;
    let error = answer.expect("it does not wait for ever").unwrap_err();
    assert_eq!(error.server(), Some("the new store"));
    assert!(fleet.old.load(&attempt.id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_is_in_doubt_in_the_old_store_though_the_new_one_does_not_answer() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.new.inject(StoreMethod::Abandon, When::Always, Fault::Hang);
    let abandoned = reservation.abandoned();
    let abandon = Abandon::new(&attempt.id, &reservation, &abandoned);
    let answer = timeout(secs(2), owner.abandon(&abandon)).await;
    let error = answer.expect("it does not wait for ever").unwrap_err();
    assert_eq!(error.server(), Some("the new store"));
    assert_eq!(taken(&fleet.old, &attempt).await.state, State::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn new_releases_and_abandons_its_own_without_the_old_store() {
    for fault in [Fault::Fail, Fault::Hang] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        let owner = fleet.process(New);
        let reservation = attempt.win(&owner).await;
        fleet.old.inject(StoreMethod::Release, When::Always, fault);
        timeout(ENGINE, attempt.release(&owner, &reservation)).await.unwrap().unwrap();
        assert!(fleet.new.load(&attempt.id).await.unwrap().is_none());

        let reservation = attempt.win(&owner).await;
        fleet.old.inject(StoreMethod::Abandon, When::Always, fault);
        let abandoned = reservation.abandoned();
        let abandon = Abandon::new(&attempt.id, &reservation, &abandoned);
        timeout(ENGINE, owner.abandon(&abandon)).await.unwrap().unwrap();
        assert_eq!(taken(&fleet.new, &attempt).await.state, State::Indeterminate);
    }
}
