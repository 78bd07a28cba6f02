//! Bodies that do not end: dropped by a timeout or a client that hung up, or panicked. Half an effect
//! is not committed.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt;
use idempotent_core::ErrorKind;
use idempotent_core::engine::Resolution;
use idempotent_core::store::State;
use tokio::task::yield_now;

use crate::setup::{CHARGE, Shop, ShopError, dropped_half_way, effect, execute, is_unfinished};

scenarios! {
    all:
    a_dropped_body_cannot_be_committed,
    a_dropped_body_cannot_be_committed_by_a_caller_who_checks_constraints_early,
    a_dropped_body_may_be_undone_by_a_savepoint_of_the_callers,
    a_call_dropped_at_any_moment_takes_effect_whole_or_not_at_all,
    a_body_that_panics_cannot_be_committed,
    a_reservation_that_was_committed_all_the_same_is_indeterminate,
}

async fn vacant(shop: &Shop) {
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
    // The server says that it refuses a commit before it lets go of the locks.
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, CHARGE.wait(Duration::from_secs(30)), "k").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}

async fn a_dropped_body_cannot_be_committed(shop: Shop) {
    let mut tx = shop.begin().await;
    dropped_half_way(&shop, &mut tx, "k").await;
    let error = tx.commit().await.unwrap_err();
    assert!(error.to_string().contains(r#""idempotent_call_dropped_half_way""#), "{error}");
    let error = error.as_database_error().unwrap();
    let detail = error.downcast_ref::<sqlx::postgres::PgDatabaseError>().detail();
    assert!(detail.unwrap().contains("(operation, xact)=(shop.charge, "), "{error:?}");
    vacant(&shop).await;
}

async fn a_dropped_body_cannot_be_committed_by_a_caller_who_checks_constraints_early(shop: Shop) {
    let mut tx = shop.begin().await;
    dropped_half_way(&shop, &mut tx, "k").await;
    let error = execute(&mut tx, "SET CONSTRAINTS ALL IMMEDIATE").await.unwrap_err();
    assert!(is_unfinished(&error), "{error:?}");
    tx.commit().await.ok();
    vacant(&shop).await;
}

async fn a_dropped_body_may_be_undone_by_a_savepoint_of_the_callers(shop: Shop) {
    let mut tx = shop.begin().await;
    execute(&mut tx, "SAVEPOINT own").await.unwrap();
    dropped_half_way(&shop, &mut tx, "k").await;
    execute(&mut tx, "ROLLBACK TO SAVEPOINT own").await.unwrap();
    tx.commit().await.unwrap();
    vacant(&shop).await;
}

/// Drops a future that has not ended after so many polls.
async fn for_polls<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn a_call_dropped_at_any_moment_takes_effect_whole_or_not_at_all(shop: Shop) {
    let (mut refused, mut whole) = (0, 0);
    for polls in 1..=40 {
        let key = polls.to_string();
        let mut tx = shop.begin().await;
        let call = CHARGE.key(&key).engine(&shop.engine).returning::<Result<i64, ShopError>>();
        // A server may answer each statement before it is asked for again: some of the moments are
        // surely these.
        let charging = call.run_in(&mut tx, async |tx| {
            yield_now().await;
            let run = effect(tx, &key).await?;
            yield_now().await;
            Ok(run)
        });
        let ended = for_polls(polls, charging).await;
        let committed = tx.commit().await;
        if let Err(error) = &committed {
            assert!(is_unfinished(error), "{polls} polls: {error}");
            refused += 1;
        }
        if ended.is_some() {
            whole += 1;
            assert!(committed.is_ok(), "{polls} polls: {committed:?}");
        }
        // The answer to the last statement may have been on its way.
        let found = (shop.effects().await, shop.records().await);
        assert!(found.0 == found.1 && found.0 >= whole, "{polls} polls: {found:?}");
        whole = found.0;
    }
    assert!(refused > 0 && whole > 0, "{refused} refused, {whole} whole");
}

async fn a_body_that_panics_cannot_be_committed(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let running = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        panic!("the body");
    });
    AssertUnwindSafe(running).catch_unwind().await.unwrap_err();
    tx.commit().await.unwrap_err();
    vacant(&shop).await;
}

async fn a_reservation_that_was_committed_all_the_same_is_indeterminate(shop: Shop) {
    let mut tx = shop.begin().await;
    // What a superuser can do, and a damaged schema would.
    execute(&mut tx, "SET LOCAL session_replication_role = replica").await.unwrap();
    dropped_half_way(&shop, &mut tx, "k").await;
    tx.commit().await.unwrap();
    let found = shop.engine.inspect(&shop.id("k")).await.unwrap().unwrap();
    assert_eq!(found.state(), State::Indeterminate);
    let refused = shop.charge_and_commit("k").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    shop.engine.resolve(&found, Resolution::completed(70_i64)).await.unwrap();
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 70);
}
