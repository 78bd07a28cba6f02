//! Which step is which, and what it may not be.

use idempotent_core::model::{StepEntry, StepStatus};
use idempotent_core::store::Scan;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation, current, idempotent, testing};

use crate::shop::{LEASE, Shop, failure};

#[tokio::test]
async fn a_second_use_of_a_step_without_a_key_is_refused_after_it_succeeded() {
    let shop = Shop::new();
    let refused = shop.call(|| async {
        shop.step("charge").await?;
        shop.step("charge").await
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    assert!(refused.to_string().contains("give each use a key of its own"), "{refused}");
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_step_with_a_key_answers_again_with_its_result() {
    let shop = Shop::new();
    let total = shop.call(|| async {
        Ok(shop.keyed_step("ship", 3).await? + shop.keyed_step("ship", 3).await?)
    });
    assert_eq!(total.await.unwrap(), 6);
    assert_eq!(shop.ledger.count("ship[3]"), 1);
}

#[tokio::test]
async fn two_uses_of_one_step_at_the_same_time_are_refused() {
    let shop = Shop::new();
    let both = shop.call(|| async {
        let slow = Operation::new("slow").step().returning::<Result<u32, Error>>();
        let slow = slow.run(|| async {
            tokio::task::yield_now().await;
            Ok(1)
        });
        let (first, second) = tokio::join!(slow, shop.step("slow"));
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Misconfigured);
        first
    });
    assert_eq!(both.await.unwrap(), 1);
}

#[tokio::test]
async fn keys_are_derived_for_the_step_and_counted_within_it() {
    let shop = Shop::new();
    let keys = || async {
        let call = current().unwrap();
        [call.derive("a"), call.derive_next("a"), call.derive_next("a")].map(|key| key.to_string())
    };
    let seen = std::sync::Mutex::new(Vec::new());
    let call = shop.call(|| async {
        let keys_of_call = keys().await;
        seen.lock().unwrap().extend(keys_of_call);
        for line in 0..2_u32 {
            let step = Operation::new("ship").step().key(&line).returning::<Result<u32, Error>>();
            step.run(|| async {
                let keys_of_step = keys().await;
                seen.lock().unwrap().extend(keys_of_step);
                Ok(line)
            })
            .await?;
        }
        assert_eq!(current().unwrap().derive("a").to_string(), seen.lock().unwrap()[0]);
        Ok(1)
    });
    call.await.unwrap();
    let mut keys = seen.into_inner().unwrap();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 9);
}

#[tokio::test]
async fn a_recorded_step_with_another_payload_is_refused_by_name() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        charge_cents(&shop, 1).await?;
        Err(failure().await)
    })
    .await;
    let refused = shop.call(|| charge_cents(&shop, 2)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("step `charge`"), "{refused}");
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_recorded_step_of_another_version_is_refused_by_name_and_runs_nothing() {
    let shop = Shop::new();
    let charge = |version: u32| {
        let step = Operation::new("charge").version(version).step();
        let ledger = shop.ledger.clone();
        step.returning::<Result<u32, Error>>().run(move || async move {
            ledger.note("charge");
            Ok(version)
        })
    };
    shop.interrupted(|| async {
        charge(1).await?;
        Err(failure().await)
    })
    .await;
    let refused = shop.call(|| charge(2)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Incompatible);
    assert!(refused.to_string().contains("step `charge`"), "{refused}");
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_recorded_step_whose_result_type_has_changed_runs_nothing_again() {
    let shop = Shop::new();
    shop.interrupted(|| async {
        shop.step("hold").await?;
        charge_of_an_older_version(&shop).await?;
        Err(failure().await)
    })
    .await;
    for _ in 0..2 {
        let refused = shop.call(|| async {
            shop.step("hold").await?;
            let charged = charge_of_a_newer_version(&shop).await?;
            Ok(charged + shop.step("ship").await?)
        });
        let refused = refused.await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Decode, "{refused}");
        assert!(refused.to_string().contains("`charge`"), "{refused}");
    }
    let counts = ["hold", "charge", "ship"].map(|effect| shop.ledger.count(effect));
    assert_eq!(counts, [1, 1, 0]);
    // The code that began the call can still finish it.
    let finished = shop.call(|| async {
        shop.step("hold").await?;
        charge_of_an_older_version(&shop).await
    });
    assert_eq!(finished.await.unwrap(), 1990);
}

#[tokio::test]
async fn a_step_around_one_with_another_payload_has_no_result_whatever_its_body_says() {
    let shop = Shop::new();
    let old = || pay(charge_cents(&shop, 1));
    interrupted_in(&shop, charge_cents(&shop, 1)).await;
    let refused = swallowed(&shop, charge_cents(&shop, 2)).await;
    assert_eq!(refused.kind(), ErrorKind::Incompatible, "{refused}");
    assert_eq!(entry_of(&shop, "pay").await.status(), StepStatus::Tried);
    assert_eq!(shop.call(old).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test]
async fn a_step_around_one_that_cannot_be_decoded_has_no_result_whatever_its_body_says() {
    let shop = Shop::new();
    let old = || pay(charge_of_an_older_version(&shop));
    interrupted_in(&shop, charge_of_an_older_version(&shop)).await;
    let refused = swallowed(&shop, charge_of_a_newer_version(&shop)).await;
    assert_eq!(refused.kind(), ErrorKind::Decode, "{refused}");
    assert_eq!(entry_of(&shop, "pay").await.status(), StepStatus::Tried);
    assert_eq!(shop.call(old).await.unwrap(), 1990);
    assert_eq!(shop.ledger.count("charge"), 1);
}

/// A step around others.
async fn pay(body: impl Future<Output = Result<u32, Error>>) -> Result<u32, Error> {
    Operation::new("pay").step().returning::<Result<u32, Error>>().run(|| body).await
}

/// A run that ends within `pay`, behind this step of it.
async fn interrupted_in(shop: &Shop, charge: impl Future<Output = Result<u32, Error>>) {
    shop.interrupted(|| {
        pay(async {
            charge.await?;
            Err(failure().await)
        })
    })
    .await;
}

/// The error of a call whose `pay` goes on from the error of this step.
async fn swallowed(shop: &Shop, charge: impl Future<Output = Result<u32, Error>>) -> Error {
    let call = shop.call(|| {
        pay(async {
            charge.await.unwrap_err();
            Ok(0)
        })
    });
    call.await.unwrap_err()
}

/// What the journal of the only call says of a step.
async fn entry_of(shop: &Shop, name: &str) -> StepEntry {
    let engine = shop.test.engine();
    let page = engine.scan(&Scan::unfinished()).await.unwrap();
    let call = engine.inspect(page.entries[0].id()).await.unwrap().unwrap();
    let entry = call.steps().iter().find(|(_, entry)| entry.name() == name);
    entry.unwrap().1.clone()
}

/// Stores tell them apart by that, and so does whoever settles a late one.
#[tokio::test]
async fn attempts_of_a_step_in_two_runs_differ() {
    let shop = Shop::new();
    let fail = || async {
        let step = Operation::new("ship").step().key(&3).returning::<Result<u32, Error>>();
        step.run(|| async { Err(failure().await) }).await.unwrap_err();
    };
    shop.interrupted(|| async {
        shop.step("hold").await?;
        fail().await;
        shop.step("note").await?;
        Err(failure().await)
    })
    .await;
    let first = entry_of(&shop, "ship").await;
    shop.interrupted(|| async {
        shop.step("hold").await?;
        shop.keyed_step("ship", 3).await?;
        Err(failure().await)
    })
    .await;
    let second = entry_of(&shop, "ship").await;
    assert_eq!((first.status(), second.status()), (StepStatus::Tried, StepStatus::Recorded));
    assert_ne!(first.attempt(), second.attempt(), "each is the second of its run");
}

#[tokio::test]
async fn a_refusal_by_an_engine_that_redacts_keys_does_not_show_one_that_was_recorded() {
    let shop = Shop::new();
    let charge = |version| {
        let step = Operation::new("charge").version(version).step().key("card 4242");
        step.returning::<Result<u32, Error>>().run(|| async { Ok(1) })
    };
    shop.interrupted(|| async {
        charge(1).await?;
        Err(failure().await)
    })
    .await;
    let shown = shop.call(|| charge(2)).await.unwrap_err();
    assert!(shown.to_string().contains("`charge[card 4242]`"), "{shown}");
    let redacting = Idempotency::builder(shop.store().clone()).redact_keys().build();
    let call = Operation::new("checkout").lease(LEASE).key("order 7").engine(&redacting);
    let redacted = call.returning::<Result<u32, Error>>().run(|| charge(2)).await.unwrap_err();
    assert_eq!(redacted.kind(), ErrorKind::Incompatible, "{redacted}");
    assert!(redacted.to_string().contains("`charge`"), "{redacted}");
    assert!(!format!("{redacted:?} {redacted}").contains("4242"), "{redacted:?}");
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt {
    number: u32,
    cents: u32,
}

async fn charge_of_a_newer_version(shop: &Shop) -> Result<u32, Error> {
    let step = Operation::new("charge").step().returning::<Result<Receipt, Error>>();
    let charged = step.run(|| async {
        shop.ledger.note("charge");
        Ok(Receipt { number: 7, cents: 1990 })
    });
    Ok(charged.await?.cents)
}

/// A step whose payload this is.
async fn charge_cents(shop: &Shop, cents: u32) -> Result<u32, Error> {
    let step = Operation::new("charge").step().fingerprint(&cents);
    let step = step.returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note("charge");
        Ok(cents)
    })
    .await
}

async fn charge_of_an_older_version(shop: &Shop) -> Result<u32, Error> {
    let step = Operation::new("charge").step().returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note("charge");
        Ok(1990)
    })
    .await
}

#[idempotent(step, key = line, fingerprint = weight)]
async fn ship(line: u32, weight: u32) -> Result<u32, Error> {
    Ok(line + weight)
}

#[idempotent(key = order, name = "attribute_checkout")]
async fn checkout(order: u32) -> Result<u32, Error> {
    let now = idempotent_core::step("now", || async { Ok::<u32, Error>(100) }).await?;
    Ok(now + ship(order, 1).await? + ship(order + 1, 1).await?)
}

#[tokio::test]
async fn the_attribute_makes_steps() {
    let test = testing::engine();
    assert_eq!(test.run(checkout(7)).await.unwrap(), 117);
    assert_eq!(testing::in_call(ship(1, 2)).await.unwrap(), 3);
}

/// It is the body's fault: the client has sent the call's key, and no other.
#[tokio::test]
async fn a_step_whose_key_is_empty_or_missing_is_no_fault_of_the_client() {
    let shop = Shop::new();
    let refused = |step: idempotent_core::call::StepBuilder| {
        let step = step.returning::<Result<u32, Error>>();
        shop.call(|| step.run(|| async { Ok(1) }))
    };
    let ship = || Operation::new("ship").step();
    let long = "x".repeat(300);
    for (step, why) in [
        (ship().key(""), "is empty"),
        (ship().key(&None::<u32>), "is `None`"),
        (ship().key(&long), "the limit is 255"),
    ] {
        let refused = refused(step).await.unwrap_err();
        assert_eq!((refused.kind(), refused.kind().status()), (ErrorKind::Misconfigured, 500));
        assert!(refused.to_string().contains(why), "{refused}");
    }
}
