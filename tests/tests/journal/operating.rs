//! What operators do with calls that have steps.

use std::time::{Duration, SystemTime};

use idempotent_core::engine::Resolution;
use idempotent_core::model::StepStatus;
use idempotent_core::store::{Scan, State};
use idempotent_core::testing::{self, Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};

use crate::shop::{Shop, failure};

async fn charge(shop: &Shop) -> Result<u32, Error> {
    let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
    let step = step.returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note("charge");
        Ok(1)
    })
    .await
}

#[tokio::test]
async fn a_call_that_is_resolved_as_never_happened_keeps_its_recorded_steps() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        shop.step("hold").await?;
        Err(failure().await)
    });
    refused.await.unwrap_err();
    let engine = shop.test.engine();
    let seen = engine.scan(&Scan::unfinished()).await.unwrap().entries.remove(0);
    engine.resolve(&seen, Resolution::never_happened_and_owner_is_dead()).await.unwrap();
    let seen = engine.scan(&Scan::unfinished()).await.unwrap().entries.remove(0);
    assert_eq!(seen.state(), State::Suspended);
    let body = || async { Ok(shop.step("hold").await? + charge(&shop).await?) };
    assert_eq!(shop.call(body).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 1));
}

/// What the gateway says of the call is no answer about the step, which sent it a key of its own.
#[tokio::test]
async fn a_call_with_a_step_in_doubt_is_not_resolved_as_never_happened() {
    let shop = Shop::new();
    let seen = in_doubt(&shop).await;
    let engine = shop.test.engine();
    let never = Resolution::never_happened_and_owner_is_dead();
    let refused = engine.resolve(&seen, never).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    assert!(refused.to_string().contains("`charge`"), "{refused}");
    let now = engine.inspect(seen.id()).await.unwrap().unwrap();
    assert_eq!(now.state(), State::Indeterminate);
    assert!(now.steps().iter().any(|(_, step)| step.status() == StepStatus::Begun));
    assert_eq!(shop.ledger.count("charge"), 1);
}

/// All of them in the same millisecond.
#[tokio::test]
async fn quick_steps_are_shown_in_the_order_in_which_they_were_asked_for() {
    let shop = Shop::new();
    let names = ["hold", "charge", "label", "ship", "note", "mail", "close", "archive"];
    shop.interrupted(|| async {
        for name in names {
            shop.step(name).await?;
        }
        Err(failure().await)
    })
    .await;
    let engine = shop.test.engine();
    let page = engine.scan(&Scan::unfinished()).await.unwrap();
    let call = engine.inspect(page.entries[0].id()).await.unwrap().unwrap();
    let shown: Vec<_> = call.steps().iter().map(|(_, step)| step.name()).collect();
    assert_eq!(shown, names);
}

/// The two clocks of this test differ by as long as the step takes.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_step_that_is_at_most_once_has_the_wall_time() {
    let shop = Shop::new();
    let charge = || async {
        let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<u32, Error>>();
        step.run(|| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(1)
        })
        .await
    };
    let before = SystemTime::now() - Duration::from_millis(1);
    shop.interrupted(|| async {
        shop.step("hold").await?;
        charge().await?;
        Err(failure().await)
    })
    .await;
    let after = SystemTime::now();
    let engine = shop.test.engine();
    let page = engine.scan(&Scan::unfinished()).await.unwrap();
    let call = engine.inspect(page.entries[0].id()).await.unwrap().unwrap();
    let step = call.steps().iter().find(|(_, step)| step.name() == "charge").unwrap();
    assert_eq!(step.1.status(), StepStatus::Recorded);
    assert!(step.1.took() >= Duration::from_secs(5), "{:?}", step.1.took());
    assert!((before..=after).contains(&step.1.written()), "{:?}", step.1.written());
}

#[tokio::test]
async fn a_running_call_that_an_operator_releases_is_suspended() {
    let shop = Shop::new();
    let call = shop.call(|| async {
        shop.step("hold").await?;
        let engine = shop.test.engine();
        let seen = engine.scan(&Scan::unfinished()).await?.entries.remove(0);
        let now = engine.release(&seen).await?.unwrap();
        assert_eq!(now.state(), State::Suspended);
        Ok(1)
    });
    call.await.unwrap();
}

/// A call with a recorded step and one in doubt.
async fn in_doubt(shop: &Shop) -> idempotent_core::engine::Inspection {
    let body = || async {
        shop.step("hold").await?;
        charge(shop).await
    };
    let full = Fault::FailAs(idempotent_core::store::StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::From(3), full);
    assert_eq!(shop.call(body).await.unwrap_err().kind(), ErrorKind::Indeterminate);
    shop.store().heal();
    let engine = shop.test.engine();
    let found = engine.scan(&Scan::indeterminate()).await.unwrap().entries.remove(0);
    engine.inspect(found.id()).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_inspection_shows_the_steps_in_their_order_and_what_is_in_doubt() {
    let shop = Shop::new();
    let seen = in_doubt(&shop).await;
    let mut steps: Vec<_> =
        seen.steps().iter().map(|(_, step)| (step.name().to_owned(), step.status())).collect();
    // Written within the same millisecond.
    steps.sort_by_key(|(name, _)| std::cmp::Reverse(name.clone()));
    let expected = [("hold", StepStatus::Recorded), ("charge", StepStatus::Begun)];
    assert_eq!(steps, expected.map(|(name, status)| (name.to_owned(), status)));
    assert_eq!((seen.attempts(), seen.due_in()), (0, None));
}

#[tokio::test]
async fn a_step_in_doubt_that_is_resolved_to_a_value_is_not_run_again() {
    let shop = Shop::new();
    let seen = in_doubt(&shop).await;
    let engine = shop.test.engine();
    let of = |wanted| seen.steps().iter().find(|(_, step)| step.name() == wanted).unwrap().0;
    let recorded = engine.resolve_step(&seen, &of("hold"), Resolution::completed(9_u32)).await;
    assert_eq!(recorded.unwrap_err().kind(), ErrorKind::Misconfigured);
    engine.resolve_step(&seen, &of("charge"), Resolution::completed(9_u32)).await.unwrap();
    // What was seen is no longer so.
    let again = engine.resolve_step(&seen, &of("charge"), Resolution::completed(8_u32)).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Indeterminate);
    let body = || async { Ok(shop.step("hold").await? + charge(&shop).await?) };
    assert_eq!(shop.call(body).await.unwrap(), 10);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 1));
}

#[tokio::test]
async fn two_steps_that_are_resolved_as_they_were_seen_leave_no_doubt() {
    let shop = Shop::new();
    let both_have_begun = tokio::sync::Barrier::new(2);
    let pay = async |name: &'static str| {
        let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
        let paid = step.returning::<Result<u32, Error>>().run(|| async {
            both_have_begun.wait().await;
            Ok(1)
        });
        paid.await
    };
    let full = Fault::FailAs(idempotent_core::store::StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::From(3), full);
    let refused = shop.call(|| async {
        let (one, other) = tokio::join!(pay("charge"), pay("refund"));
        Ok(one? + other?)
    });
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::Indeterminate);
    shop.store().heal();
    let engine = shop.test.engine();
    let found = engine.scan(&Scan::indeterminate()).await.unwrap().entries.remove(0);
    let seen = engine.inspect(found.id()).await.unwrap().unwrap();
    assert_eq!(seen.steps().len(), 2);
    for (step, entry) in seen.steps() {
        assert_eq!(entry.status(), StepStatus::Begun);
        engine.resolve_step(&seen, step, Resolution::completed(5_u32)).await.unwrap();
    }
    let now = engine.inspect(found.id()).await.unwrap().unwrap();
    assert_eq!(now.state(), State::Suspended);
    let total = shop.call(|| async {
        let (one, other) = tokio::join!(pay("charge"), pay("refund"));
        Ok(one? + other?)
    });
    assert_eq!(total.await.unwrap(), 10);
}

/// Its owner has died in both of its steps.
#[tokio::test]
async fn a_call_whose_steps_are_resolved_one_by_one_stays_due() {
    for from_one_inspection in [true, false] {
        let shop = Shop::new();
        let pay = async |name: &'static str| {
            let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
            let paid = step.returning::<Result<u32, Error>>();
            paid.run(std::future::pending).await
        };
        let moment = shop.store().until_answered(StoreMethod::WriteStep, 2);
        let call = Operation::new("checkout").lease(crate::shop::LEASE).key("order 7");
        let call =
            call.resume(&"an order").returning::<Result<u32, Error>>().run(async move || {
                let (one, other) = tokio::join!(pay("charge"), pay("refund"));
                Ok(one? + other?)
            });
        let died = shop.test.run(async move { testing::crash(call).when(moment).await });
        assert!(died.await.is_none());
        shop.let_lease_lapse();
        let engine = shop.test.engine();
        let id = engine.record_id("checkout", None, "order 7").unwrap();
        let inspect = async || engine.inspect(&id).await.unwrap().unwrap();
        let mut seen = inspect().await;
        assert_eq!((seen.state(), seen.due_in()), (State::Suspended, Some(Duration::ZERO)));
        let steps: Vec<_> = seen.steps().iter().map(|(step, _)| *step).collect();
        assert_eq!(steps.len(), 2);
        for step in &steps {
            engine.resolve_step(&seen, step, Resolution::completed(5_u32)).await.unwrap();
            let now = inspect().await;
            assert_eq!((now.state(), now.due_in()), (State::Suspended, Some(Duration::ZERO)));
            if !from_one_inspection {
                seen = now;
            }
        }
    }
}

#[tokio::test]
async fn a_step_in_doubt_that_never_happened_runs_in_the_next_run() {
    let shop = Shop::new();
    let seen = in_doubt(&shop).await;
    let engine = shop.test.engine();
    let refused = engine.resume(&seen).await.unwrap_err();
    assert!(refused.to_string().contains("`charge`"), "{refused}");
    let (step, _) = seen.steps().iter().find(|(_, step)| step.name() == "charge").unwrap();
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve_step(&seen, step, never).await.unwrap();
    let body = || async { Ok(shop.step("hold").await? + charge(&shop).await?) };
    assert_eq!(shop.call(body).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 2));
}

#[tokio::test]
async fn a_call_with_nothing_to_go_on_with_is_not_resumed_by_hand() {
    let shop = Shop::new();
    let strict = Operation::new("strict").guarantee(Guarantee::AtMostOnce).key("order 7");
    let strict = strict.returning::<Result<u32, Error>>();
    let engine = shop.test.engine();
    let reservation = shop.test.run(strict.begin()).await.unwrap();
    if let idempotent_core::call::BeginOutcome::Reserved(reservation) = reservation {
        reservation.abandon().await;
    }
    let seen = engine.scan(&Scan::indeterminate()).await.unwrap().entries.remove(0);
    assert_eq!(engine.resume(&seen).await.unwrap_err().kind(), ErrorKind::Misconfigured);
}
