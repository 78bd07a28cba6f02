//! What operators do with calls that have steps.

use idempotent_core::engine::Resolution;
use idempotent_core::store::{Scan, State};
use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Operation};

use crate::shop::Shop;

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
    let body = || async { Ok(shop.step("hold").await? + charge(&shop).await?) };
    let full = Fault::FailAs(idempotent_core::store::StoreErrorKind::Full);
    shop.store().inject(StoreMethod::WriteStep, When::From(3), full);
    assert_eq!(shop.call(body).await.unwrap_err().kind(), ErrorKind::Indeterminate);
    shop.store().heal();
    let engine = shop.test.engine();
    let seen = engine.scan(&Scan::unfinished()).await.unwrap().entries.remove(0);
    assert_eq!(seen.state(), State::Indeterminate);
    engine.resolve(&seen, Resolution::never_happened_and_owner_is_dead()).await.unwrap();
    let seen = engine.scan(&Scan::unfinished()).await.unwrap().entries.remove(0);
    assert_eq!(seen.state(), State::Suspended);
    assert_eq!(shop.call(body).await.unwrap(), 2);
    assert_eq!((shop.ledger.count("hold"), shop.ledger.count("charge")), (1, 2));
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
