//! What a drain waits for of steps whose calls were dropped.

use std::time::Duration;

use idempotent_core::testing::{Fault, StoreMethod, When};
use idempotent_core::{Error, Guarantee, Operation};
use tokio::time::timeout;

use crate::shop::Shop;

const SECOND: Duration = Duration::from_secs(1);

async fn charge_once(shop: &Shop) -> Result<u32, Error> {
    let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
    let step = step.returning::<Result<u32, Error>>();
    step.run(|| async {
        shop.ledger.note("charge");
        Ok(1)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_result_of_a_step_whose_call_was_dropped() {
    let shop = Shop::new();
    shop.store().inject(StoreMethod::WriteStep, When::Nth(1), Fault::Delay(SECOND * 2));
    timeout(SECOND, shop.call(|| shop.step("charge"))).await.unwrap_err();
    shop.test.engine().drain().await;
    assert_eq!(shop.store().answered(StoreMethod::WriteStep), 1);
    shop.let_lease_lapse();
    assert_eq!(shop.call(|| shop.step("charge")).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_until_a_beginning_whose_call_was_dropped_is_taken_back() {
    let shop = Shop::new();
    shop.store().inject(StoreMethod::WriteStep, When::Always, Fault::Delay(SECOND * 2));
    timeout(SECOND, shop.call(|| charge_once(&shop))).await.unwrap_err();
    shop.test.engine().drain().await;
    assert_eq!(shop.store().answered(StoreMethod::WriteStep), 2);
    shop.let_lease_lapse();
    assert_eq!(shop.call(|| charge_once(&shop)).await.unwrap(), 1);
    assert_eq!(shop.ledger.count("charge"), 1);
}
