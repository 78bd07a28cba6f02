//! What answers about steps do not do: run again what has run, and have a call go on of which nobody knows what it did.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::engine::{Inspection, Recovery, Resolution};
use idempotent_core::model::{NotKept, StepId, StepStatus};
use idempotent_core::store::{Scan, State, StoreErrorKind};
use idempotent_core::testing::{self, Fault, StoreMethod, TestEngine, When};
use idempotent_core::{Disposition, Error, ErrorKind, Guarantee, Operation};
use tokio::sync::Notify;

use crate::shop::{LEASE, Ledger, Shop, failure};

async fn inspect(shop: &Shop) -> Inspection {
    let engine = shop.test.engine();
    let id = engine.record_id("checkout", None, "order 7").unwrap();
    engine.inspect(&id).await.unwrap().unwrap()
}

async fn in_doubt(shop: &Shop) -> Vec<Inspection> {
    shop.test.engine().scan(&Scan::in_doubt()).await.unwrap().entries
}

fn step(seen: &Inspection, name: &str) -> StepId {
    seen.steps().iter().find(|(_, step)| step.name() == name).unwrap().0
}

fn never() -> Resolution {
    Resolution::never_happened_and_owner_is_dead()
}

/// A step of this name that hangs, if somebody is to be told that it has begun.
async fn pay(shop: &Shop, name: &'static str, hangs: Option<&Notify>) -> Result<u32, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    let paid = step.returning::<Result<u32, Error>>().run(|| async {
        shop.ledger.note(name);
        let Some(begun) = hangs else { return Ok(1) };
        begun.notify_one();
        std::future::pending().await
    });
    paid.await
}

#[tokio::test]
async fn a_step_that_has_run_never_runs_again_whatever_is_corrected() {
    let test = TestEngine::new(|builder| builder.max_result_bytes(64));
    let shop = Shop { test, ledger: Ledger::default() };
    let checkout = async || {
        let call = shop.call(|| async {
            let step = Operation::new("describe").step().returning::<Result<String, Error>>();
            let text = step.run(|| async {
                shop.ledger.note("describe");
                Ok("x".repeat(100))
            });
            match text.await?.len() {
                100 => Err(failure().await),
                length => Ok(u32::try_from(length).unwrap()),
            }
        });
        call.await
    };
    checkout().await.unwrap_err();
    let (engine, seen) = (shop.test.engine(), inspect(&shop).await);
    let id = step(&seen, "describe");
    let typed = engine.resolve_step(&seen, &id, Resolution::completed(7_u32)).await.unwrap_err();
    assert_eq!(typed.kind(), ErrorKind::Encode, "{typed}");
    engine.resolve_step(&seen, &id, Resolution::completed("wrong")).await.unwrap();
    for said in ["first", "second"] {
        let seen = inspect(&shop).await;
        engine.correct_step(&seen, &id, Resolution::completed(said)).await.unwrap();
        let seen = inspect(&shop).await;
        let ran = engine.correct_step(&seen, &id, never()).await.unwrap_err();
        assert_eq!(ran.kind(), ErrorKind::Misconfigured);
        assert!(ran.to_string().contains("the step has run"), "{ran}");
    }
    assert_eq!(checkout().await.unwrap(), 6);
    assert_eq!(shop.ledger.count("describe"), 1);
}

#[tokio::test]
async fn an_error_that_is_final_is_not_made_a_success() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        let step = Operation::new("charge").step().returning::<Result<u32, Error>>();
        step.on_error(|_| Disposition::Keep).run(|| async { Err(failure().await) }).await
    });
    refused.await.unwrap_err();
    let (engine, seen) = (shop.test.engine(), inspect(&shop).await);
    let (id, entry) = &seen.steps()[0];
    assert_eq!(entry.status(), StepStatus::NotKept(NotKept::NotMemoized));
    let refused = engine.resolve_step(&seen, id, Resolution::completed(7_u32)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("resolve the call"), "{refused}");
    engine.resolve(&seen, Resolution::completed(7_u32)).await.unwrap();
}

/// Its owner was lost: what it did beside its step nobody knows.
#[tokio::test]
async fn a_call_that_is_itself_in_doubt_does_not_go_on_with_its_last_step() {
    let shop = Shop::new();
    let strict = || {
        let call = Operation::new("strict").guarantee(Guarantee::AtMostOnce).lease(LEASE).key("7");
        call.engine(&shop.test.engine()).returning::<Result<u32, Error>>()
    };
    let begun = Arc::new(Notify::new());
    let (here, told) = (shop.clone(), Arc::clone(&begun));
    let call = strict();
    let process = async move {
        let run = call.run(|| async {
            here.ledger.note("beside");
            pay(&here, "charge", Some(&told)).await
        });
        run.await
    };
    let died = testing::crash(process).when(async move { begun.notified().await });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    assert!(seen.is_itself_in_doubt());
    let id = step(&seen, "charge");
    engine.resolve_step(&seen, &id, Resolution::completed(9_u32)).await.unwrap();
    let seen = engine.inspect(seen.id()).await.unwrap().unwrap();
    assert_eq!((seen.state(), seen.steps_in_doubt().count()), (State::Indeterminate, 0));
    engine.correct_step(&seen, &id, Resolution::completed(8_u32)).await.unwrap();
    let seen = engine.inspect(seen.id()).await.unwrap().unwrap();
    assert_eq!(seen.state(), State::Indeterminate);
    let refused = engine.resume(&seen).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert!(refused.to_string().contains("nobody knows what the call did"), "{refused}");
    let waits = strict().run(|| async { Ok(0) }).await.unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::Indeterminate);
    // Whoever knows says so, and what it did beside the step is done again then alone.
    engine.resolve(&seen, never()).await.unwrap();
    let again = strict().run(|| async { pay(&shop, "charge", None).await });
    assert_eq!(again.await.unwrap(), 8);
    assert_eq!((shop.ledger.count("beside"), shop.ledger.count("charge")), (1, 1));
}

#[tokio::test]
async fn a_call_whose_steps_cannot_be_read_is_in_doubt_and_not_unreadable() {
    let shop = Shop::new();
    die_in_two_steps(&shop).await;
    let malformed = Fault::FailAs(StoreErrorKind::Malformed);
    shop.store().inject(StoreMethod::LoadSteps, When::Always, malformed);
    let page = shop.test.engine().scan(&Scan::in_doubt()).await.unwrap();
    assert_eq!((page.entries.len(), page.unreadable.len()), (1, 0));
    assert!(page.entries[0].is_in_doubt() && page.entries[0].steps_unread().is_some());
    assert_eq!(shop.test.engine().count_indeterminate().await.unwrap()["checkout"], 1);
}

/// The page was read before the call was taken, and its journal after its steps had begun anew.
#[tokio::test(start_paused = true)]
async fn a_step_that_has_begun_since_its_call_was_found_is_not_in_doubt() {
    let shop = Shop::new();
    die_in_two_steps(&shop).await;
    let next = shop.store().calls(StoreMethod::LoadSteps) + 1;
    let slow = Fault::Delay(Duration::from_secs(1));
    shop.store().inject(StoreMethod::LoadSteps, When::Nth(next), slow);
    let here = shop.clone();
    let scan = tokio::spawn(async move { in_doubt(&here).await.len() });
    tokio::task::yield_now().await;
    assert_eq!(shop.store().calls(StoreMethod::LoadSteps), next);
    let engine = shop.test.engine();
    for name in ["charge", "refund"] {
        let seen = inspect(&shop).await;
        engine.resolve_step(&seen, &step(&seen, name), never()).await.unwrap();
    }
    let (here, begun) = (shop.clone(), Arc::new(Notify::new()));
    let told = Arc::clone(&begun);
    let runs = tokio::spawn(async move { pay_twice(&here, &told).await });
    begun.notified().await;
    begun.notified().await;
    assert_eq!(inspect(&shop).await.state(), State::Reserved);
    assert_eq!(scan.await.unwrap(), 0);
    runs.abort();
}

/// A checkout with an input that hangs in two steps.
async fn pay_twice(shop: &Shop, begun: &Notify) -> Result<u32, Error> {
    let call = Operation::new("checkout").lease(LEASE).key("order 7").resume("the order");
    let call = call.engine(&shop.test.engine()).returning::<Result<u32, Error>>();
    let run = call.run(|| async {
        let (one, other) =
            tokio::join!(pay(shop, "charge", Some(begun)), pay(shop, "refund", Some(begun)));
        Ok(one? + other?)
    });
    run.await
}

/// One that dies in them.
async fn die_in_two_steps(shop: &Shop) {
    let begun = Arc::new(Notify::new());
    let (here, told) = (shop.clone(), Arc::clone(&begun));
    let process = async move { pay_twice(&here, &told).await };
    let both = async move {
        begun.notified().await;
        begun.notified().await;
    };
    assert!(testing::crash(process).when(both).await.is_none());
    shop.let_lease_lapse();
}

#[tokio::test]
async fn a_call_whose_steps_are_resolved_as_a_scan_found_them_stays_due() {
    let shop = Shop::new();
    die_in_two_steps(&shop).await;
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    assert_eq!(seen.due_in(), None, "a scan does not ask for it");
    for name in ["charge", "refund"] {
        let said = Resolution::completed(5_u32);
        engine.resolve_step(&seen, &step(&seen, name), said).await.unwrap();
        let now = inspect(&shop).await;
        assert_eq!((now.state(), now.due_in()), (State::Suspended, Some(Duration::ZERO)), "{name}");
    }
}

/// A scan has not what the step was said to have returned.
#[tokio::test]
async fn a_step_is_corrected_as_a_scan_found_it_unless_it_was_corrected_since() {
    let shop = Shop::new();
    die_in_two_steps(&shop).await;
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    let (charge, refund) = (step(&seen, "charge"), step(&seen, "refund"));
    engine.resolve_step(&seen, &charge, Resolution::completed(5_u32)).await.unwrap();
    let seen = in_doubt(&shop).await.remove(0);
    engine.correct_step(&seen, &charge, Resolution::completed(6_u32)).await.unwrap();
    let stale = engine.correct_step(&seen, &charge, Resolution::completed(7_u32)).await;
    assert_eq!(stale.unwrap_err().kind(), ErrorKind::Indeterminate);
    let seen = in_doubt(&shop).await.remove(0);
    engine.resolve_step(&seen, &refund, Resolution::completed(1_u32)).await.unwrap();
    assert_eq!(pay_twice(&shop, &Notify::new()).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_whose_step_is_resolved_begins_its_attempts_anew() {
    let shop = Shop::new();
    die_in_two_steps(&shop).await;
    let recovery = Recovery::new(&shop.test.engine()).poll_every(Duration::from_millis(10));
    // It cannot decode what the call was made with.
    let recovery = recovery.operation("checkout", |_: Vec<u32>| async {}).start().unwrap();
    let parked = async {
        while !inspect(&shop).await.is_parked() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), parked).await.unwrap();
    recovery.stop().await;
    let engine = shop.test.engine();
    for name in ["charge", "refund"] {
        let seen = inspect(&shop).await;
        assert_eq!((seen.is_parked(), seen.attempts()), (true, 1));
        let said = Resolution::completed(5_u32);
        engine.resolve_step(&seen, &step(&seen, name), said).await.unwrap();
    }
    let now = inspect(&shop).await;
    assert_eq!((now.state(), now.attempts()), (State::Suspended, 0));
    assert_eq!(now.due_in(), Some(Duration::ZERO));
}

/// No run asks for the inner step once the outer one has a result.
#[tokio::test]
async fn a_step_within_one_that_has_ended_is_not_in_doubt() {
    let shop = Shop::new();
    let begun = Arc::new(Notify::new());
    let (here, told) = (shop.clone(), Arc::clone(&begun));
    let process = async move {
        let run = here.call(|| async {
            let outer = Operation::new("outer").guarantee(Guarantee::AtMostOnce).step();
            let outer = outer.returning::<Result<u32, Error>>();
            outer.run(|| async { pay(&here, "inner", Some(&told)).await }).await
        });
        run.await
    };
    let died = testing::crash(process).when(async move { begun.notified().await });
    assert!(died.await.is_none());
    shop.let_lease_lapse();
    let engine = shop.test.engine();
    let seen = in_doubt(&shop).await.remove(0);
    assert_eq!(seen.steps_in_doubt().count(), 2);
    let outer = step(&seen, "outer");
    engine.resolve_step(&seen, &outer, Resolution::completed(4_u32)).await.unwrap();
    let seen = inspect(&shop).await;
    assert_eq!((seen.state(), seen.is_in_doubt()), (State::Suspended, false));
    engine.resume(&seen).await.unwrap();
    let again = shop.call(|| async {
        let outer = Operation::new("outer").guarantee(Guarantee::AtMostOnce).step();
        outer.returning::<Result<u32, Error>>().run(|| async { Ok(0) }).await
    });
    assert_eq!(again.await.unwrap(), 4);
}
