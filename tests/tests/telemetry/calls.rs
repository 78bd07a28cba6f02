//! Calls of the attribute and of the builder that end by themselves.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, idempotent};
use idempotent_tests::{Fail, engine, millis, secs};
use tokio::time::sleep;

use crate::captured::Captured;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));

#[idempotent(key = order, name = "charge", engine = engine)]
async fn charge(engine: &Idempotency, order: u32) -> Result<u32, Error> {
    tracing::info!("in the body");
    sleep(millis(600)).await;
    tracing::info!("still in the body");
    Ok(order)
}

#[idempotent(key = order, name = "charge", engine = engine, detach)]
async fn charge_detached(engine: Idempotency, order: u32) -> Result<u32, Error> {
    tracing::info!("in the body");
    sleep(millis(600)).await;
    tracing::info!("still in the body");
    Ok(order)
}

/// A call of a body that fails in this way.
async fn fails(engine: &Idempotency, operation: Operation, how: Fail) {
    let call = operation.key("k").engine(engine).returning::<Result<(), Fail>>();
    let failing = call.on_error(Fail::disposition).run(|| async move {
        tracing::info!("in the body");
        Err(how)
    });
    failing.await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_calls_span_is_open_while_its_body_runs_and_closes_with_the_outcome() {
    let captured = Captured::start();
    let engine = engine();
    let running = charge(&engine, 7);
    tokio::pin!(running);
    tokio::time::timeout(millis(300), &mut running).await.unwrap_err();
    let open = captured.call();
    assert!(!open.closed, "{open:?}");
    assert_eq!((open.field("outcome"), open.field("disposition")), ("", ""));
    assert_eq!(captured.counted(), []);
    running.await.unwrap();
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    assert_eq!(captured.log().events("in the body").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_span_names_the_record() {
    let captured = Captured::start();
    let engine = engine();
    charge(&engine, 7).await.unwrap();
    charge(&engine, 7).await.unwrap();
    let id = engine.record_id("charge", None, &7_u32).unwrap().to_string();
    let calls = captured.log().calls();
    assert_eq!(calls.iter().map(|call| call.field("record")).collect::<Vec<_>>(), [&id, &id]);
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_whose_caller_stays_is_seen_as_any_other() {
    let captured = Captured::start();
    charge_detached(engine(), 7).await.unwrap();
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_whose_caller_goes_away_ends_when_its_body_does() {
    let captured = Captured::start();
    let engine = engine();
    tokio::time::timeout(millis(300), charge_detached(engine.clone(), 7)).await.unwrap_err();
    assert!(!captured.call().closed);
    engine.drain().await;
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
    assert_eq!(captured.log().events("in the body").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_replay_and_a_refusal_leave_the_key_as_it_is() {
    let captured = Captured::start();
    let engine = engine();
    charge(&engine, 7).await.unwrap();
    charge(&engine, 7).await.unwrap();
    CHARGE.key("").engine(&engine).returning::<Result<(), Error>>().begin().await.unwrap_err();
    assert_eq!(captured.ends(), ["executed kept", "replayed none", "invalid_key none"]);
    assert!(captured.log().calls().iter().all(|call| call.closed));
    let counted = captured.counted();
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<u64>(), 3, "{counted:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_duplicate_is_told_from_the_call_that_runs() {
    let captured = Captured::start();
    let engine = engine();
    let (first, second) = tokio::join!(charge(&engine, 7), charge(&engine, 7));
    first.unwrap();
    second.unwrap_err();
    assert_eq!(captured.ends(), ["executed kept", "in_progress none"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_says_what_becomes_of_its_key() {
    for (how, guarantee, end) in [
        (Fail::Invalid, Guarantee::AtLeastOnce, "executed released"),
        (Fail::Declined, Guarantee::AtLeastOnce, "executed tombstone"),
        (Fail::TimedOut, Guarantee::AtLeastOnce, "executed held"),
        (Fail::TimedOut, Guarantee::AtMostOnce, "executed held"),
    ] {
        let captured = Captured::start();
        fails(&engine(), CHARGE.guarantee(guarantee), how).await;
        assert_eq!(captured.end(), end);
        captured.assert_body_is_inside();
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_indeterminate_under_at_most_once_and_released_otherwise() {
    for (guarantee, end) in [
        (Guarantee::AtLeastOnce, "executed released"),
        (Guarantee::AtMostOnce, "executed indeterminate"),
    ] {
        let captured = Captured::start();
        let call = CHARGE.guarantee(guarantee).key("k").engine(&engine());
        let call = call.returning::<Result<(), Fail>>().on_error(|_| Disposition::Unknown);
        call.run(|| async { Err(Fail::TimedOut) }).await.unwrap_err();
        assert_eq!(captured.end(), end);
        // The warning is a part of the call.
        let warning = &captured.log().events("its outcome is unknown")[0];
        assert_eq!(warning.within.get("operation").map(String::as_str), Some("charge"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_recorded_late_ends_the_call_late_and_one_that_is_not_is_lost() {
    // The caller waits for three tries.
    let late: Vec<_> = (1..=4).map(When::Nth).collect();
    for (failing, end) in [(late, "executed kept"), (vec![When::Always], "executed lost")] {
        let captured = Captured::start();
        let store =
            failing.into_iter().fold(FaultyStore::new(MemoryStore::new()), |store, when| {
                store.on(StoreMethod::Complete, when, Fault::Fail)
            });
        charge(&Idempotency::new(store), 7).await.unwrap();
        assert!(!captured.call().closed, "its end is not recorded");
        // It is tried until the lease is not renewed any more.
        sleep(secs(2 * 60 * 60)).await;
        assert_eq!(captured.end(), end);
        assert!(
            captured
                .log()
                .events("could not be recorded yet")
                .iter()
                .all(|line| { line.within.get("operation").map(String::as_str) == Some("charge") })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_without_a_record_is_unrecorded() {
    let captured = Captured::start();
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).fail_open().build();
    charge(&engine, 7).await.unwrap();
    assert_eq!(captured.end(), "unrecorded none");
    captured.assert_body_is_inside();
}

#[tokio::test]
async fn the_span_of_a_step_says_how_it_began_and_closes() {
    let captured = Captured::start();
    let engine = Idempotency::new(MemoryStore::new());
    let run = |fails: bool| {
        let call = CHARGE.key("k").engine(&engine).returning::<Result<u8, Error>>();
        call.run(move || async move {
            idempotent_core::step("hold", || async { Ok::<u8, Error>(1) }).await?;
            let key = if fails { "" } else { "line" };
            let ship = Operation::new("ship").step().key(key).returning::<Result<u8, Error>>();
            ship.run(|| async { Ok(1) }).await
        })
    };
    run(true).await.unwrap_err();
    run(false).await.unwrap();
    let spans = captured.log().spans("step");
    assert!(spans.iter().all(|span| span.closed), "{spans:?}");
    let began = spans.iter().map(|span| (span.field("name"), span.field("outcome")));
    let expected = [
        ("hold", "executed"),
        ("ship", "misconfigured"),
        ("hold", "replayed"),
        ("ship", "executed"),
    ];
    assert_eq!(began.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_in_steps_is_open_until_its_reservation_ends() {
    let captured = Captured::start();
    let call = CHARGE.key("k").engine(&engine()).returning::<Result<u8, Error>>();
    let BeginOutcome::Reserved(reservation) = call.begin().await.unwrap() else {
        panic!("it was called before")
    };
    reservation.scope(async { tracing::info!("in the body") }).await;
    assert!(!captured.call().closed);
    reservation.complete(&Ok(7)).await;
    assert_eq!(captured.end(), "executed kept");
    captured.assert_body_is_inside();
}
