//! Record, effect and result are one: all of it commits, or nothing.

use std::time::Duration;

use idempotent_core::store::State;
use idempotent_core::{ErrorKind, Guarantee, Operation};

use crate::setup::{CHARGE, Shop, ShopError, execute};

scenarios! {
    all:
    a_call_that_was_committed_is_replayed,
    nobody_sees_record_or_effect_before_the_commit,
    a_caller_that_rolls_back_takes_the_record_along,
    a_caller_that_rolls_back_to_a_savepoint_of_its_own_takes_the_record_along,
    a_second_call_in_the_same_transaction_replays,
    a_result_that_is_forgotten_leaves_the_key_vacant,
    calls_outside_of_transactions_share_the_record,
    constraints_may_be_checked_before_the_commit,
}

async fn a_call_that_was_committed_is_replayed(shop: Shop) {
    let first = shop.charge_and_commit("k").await.unwrap();
    let second = shop.charge_and_commit("k").await.unwrap();
    let other = shop.charge_and_commit("other").await.unwrap();
    assert_eq!((first, second, other), (1, 1, 2));
    assert_eq!((shop.effects().await, shop.records().await), (2, 2));
}

async fn nobody_sees_record_or_effect_before_the_commit(shop: Shop) {
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    let before = shop.engine.inspect(&shop.id("k")).await.unwrap();
    assert!(before.is_none(), "{before:?}");
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
    tx.commit().await.unwrap();
    let after = shop.engine.inspect(&shop.id("k")).await.unwrap().unwrap();
    assert_eq!((after.state(), after.guarantee()), (State::Completed, Guarantee::ExactlyOnce));
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}

async fn a_caller_that_rolls_back_takes_the_record_along(shop: Shop) {
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    tx.rollback().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 2, "it runs again");
    assert_eq!(shop.effects().await, 1);
}

async fn a_caller_that_rolls_back_to_a_savepoint_of_its_own_takes_the_record_along(shop: Shop) {
    let mut tx = shop.begin().await;
    execute(&mut tx, "SAVEPOINT own").await.unwrap();
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    execute(&mut tx, "ROLLBACK TO SAVEPOINT own").await.unwrap();
    shop.charge(&mut tx, CHARGE, "other").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
    assert!(shop.engine.inspect(&shop.id("k")).await.unwrap().is_none());
}

async fn a_second_call_in_the_same_transaction_replays(shop: Shop) {
    let mut tx = shop.begin().await;
    let first = shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    let second = shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((first, second, shop.effects().await), (1, 1, 1));
}

async fn a_result_that_is_forgotten_leaves_the_key_vacant(shop: Shop) {
    shop.charge_and_commit("k").await.unwrap();
    let mut tx = shop.begin().await;
    execute(&mut tx, "UPDATE records SET expires_at = clock_timestamp()").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 2);
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 2);
    assert_eq!((shop.effects().await, shop.records().await), (2, 1));
}

async fn calls_outside_of_transactions_share_the_record(shop: Shop) {
    const LEASED: Operation = CHARGE.lease(Duration::from_secs(30));
    let leased = || {
        let call = LEASED.key("k").engine(&shop.engine);
        call.returning::<Result<i64, ShopError>>()
    };
    let while_running = leased().run(async || {
        let mut tx = shop.begin().await;
        let refused = shop.charge(&mut tx, CHARGE, "k").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InProgress);
        assert!(refused.refusal().retry_after().is_some());
        tx.commit().await.unwrap();
        Ok(70)
    });
    assert_eq!(while_running.await.unwrap(), 70);
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 70);
    shop.charge_and_commit("other").await.unwrap();
    let other = LEASED.key("other").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    assert_eq!(other.run(async || Ok(71)).await.unwrap(), 1);
}

async fn constraints_may_be_checked_before_the_commit(shop: Shop) {
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    execute(&mut tx, "SET CONSTRAINTS ALL IMMEDIATE").await.unwrap();
    execute(&mut tx, "SET CONSTRAINTS idempotent_call_dropped_half_way DEFERRED").await.unwrap();
    shop.charge(&mut tx, CHARGE, "other").await.unwrap();
    execute(&mut tx, "SET CONSTRAINTS ALL IMMEDIATE").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (2, 2));
}
