//! What goes on, and what is left, while one of the two stores is away or does not answer.

use idempotent_core::backends::MigrationMode;
use idempotent_core::store::{RenewOutcome, Store as _, Wait};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, Guarantee, Idempotency, Operation};
use idempotent_tests::{Attempt, secs};
use tokio::time::{Instant, timeout};

use crate::fleet::{Fleet, assert_replays};
use MigrationMode::{Both, New};

/// Under *at most once* a reservation that stayed would be in doubt for ever, though nothing ran.
#[tokio::test]
async fn while_the_new_store_is_away_no_reservation_stays_in_the_old_one() {
    for fault in [Fault::Fail, Fault::LoseAnswer] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        fleet.new.inject(StoreMethod::Reserve, When::Always, fault);
        attempt.reserve(&fleet.process(Both)).await.unwrap_err();
        assert!(fleet.old.load(&attempt.id).await.unwrap().is_none());
    }
}

const CHARGE: Operation =
    Operation::new("shop.charge").guarantee(Guarantee::AtMostOnce).lease(secs(30));

async fn charge(engine: &Idempotency, order: u64) -> Result<String, Error> {
    let call = CHARGE.key(&order).engine(engine).returning::<Result<String, Error>>();
    call.run(|| async { Ok(format!("receipt {order}")) }).await
}

/// With the usual circuit.
#[tokio::test]
async fn replays_go_on_however_many_new_calls_fail_for_want_of_the_other_store() {
    for mode in [Both, New] {
        let fleet = Fleet::new();
        let engine = fleet.engine(mode);
        charge(&engine, 7).await.unwrap();
        let (second, method) = match mode {
            Both => (&fleet.new, StoreMethod::Reserve),
            _ => (&fleet.old, StoreMethod::Load),
        };
        second.inject(method, When::Always, Fault::Fail);
        for order in 100..150 {
            charge(&engine, order).await.unwrap_err();
        }
        // Another process's memory of results is no help here.
        assert_eq!(charge(&engine, 7).await.unwrap(), "receipt 7", "{mode}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_of_a_result_that_the_new_store_never_got() {
    for mode in [Both, New] {
        let (fleet, attempt) = (Fleet::new(), Attempt::new());
        let owner = fleet.process(Both);
        let reservation = attempt.win(&owner).await;
        fleet.new.inject(StoreMethod::Complete, When::Always, Fault::Fail);
        attempt.complete(&owner, &reservation, b"receipt").await.unwrap_err();
        let begin = Instant::now();
        let wait = Wait::new(&attempt.id, reservation.token(), secs(60));
        fleet.process(mode).wait(&wait).await.unwrap();
        assert!(begin.elapsed() < secs(30), "{mode}: {:?}", begin.elapsed());
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

#[tokio::test(start_paused = true)]
async fn what_is_released_is_vacant_in_the_old_store_though_the_new_one_does_not_answer() {
    let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
    let owner = fleet.process(Both);
    let reservation = attempt.win(&owner).await;
    fleet.new.inject(StoreMethod::Release, When::Always, Fault::Hang);
    timeout(secs(20), attempt.release(&owner, &reservation)).await.unwrap_err();
    assert!(fleet.old.load(&attempt.id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn new_releases_its_own_without_the_old_store() {
    for fault in [Fault::Fail, Fault::Hang] {
        let (fleet, attempt) = (Fleet::new(), Attempt::at_most_once());
        let owner = fleet.process(New);
        let reservation = attempt.win(&owner).await;
        fleet.old.inject(StoreMethod::Release, When::Always, fault);
        timeout(secs(5), attempt.release(&owner, &reservation)).await.unwrap().unwrap();
        assert!(fleet.new.load(&attempt.id).await.unwrap().is_none());
    }
}
