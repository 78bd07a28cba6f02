//! Calls within the bodies of others, in the same transaction.

use idempotent_core::engine::ScopeShare;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use sqlx::PgConnection;

use crate::setup::{CHARGE, Shop, ShopError, dropped_half_way, effect, is_unfinished};

const ORDER: Operation = Operation::new("shop.order");

scenarios! {
    all:
    a_call_within_a_call_is_part_of_its_transaction,
    an_inner_call_that_fails_takes_nothing_of_the_outer_along,
    an_outer_call_that_fails_takes_the_inner_along,
    an_inner_call_that_was_dropped_goes_with_an_outer_one_that_fails,
    an_inner_call_that_was_dropped_cannot_be_committed,
}

scenarios! {
    read_committed:
    a_call_that_makes_itself_again_and_again_does_not_use_up_its_scope,
}

async fn decline(shop: &Shop, tx: &mut PgConnection) -> Result<i64, ShopError> {
    let call = CHARGE.key("inner").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    call.run_in(tx, async |tx| {
        effect(tx, "inner").await?;
        Err(ShopError::Declined)
    })
    .await
}

/// A call around another one.
async fn order(
    shop: &Shop,
    tx: &mut PgConnection,
    inner: impl AsyncFnOnce(&mut PgConnection) -> Result<i64, ShopError>,
) -> Result<i64, ShopError> {
    let call = ORDER.key("outer").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    call.run_in(tx, async |tx| {
        effect(tx, "outer").await?;
        inner(tx).await
    })
    .await
}

async fn a_call_within_a_call_is_part_of_its_transaction(shop: Shop) {
    for _ in 0..2 {
        let mut tx = shop.begin().await;
        let run = order(&shop, &mut tx, async |tx| shop.charge(tx, CHARGE, "inner").await);
        assert_eq!(run.await.unwrap(), 2);
        tx.commit().await.unwrap();
    }
    assert_eq!((shop.effects().await, shop.records().await), (2, 2));
}

async fn an_inner_call_that_fails_takes_nothing_of_the_outer_along(shop: Shop) {
    let mut tx = shop.begin().await;
    let run = order(&shop, &mut tx, async |tx| {
        assert!(matches!(decline(&shop, tx).await, Err(ShopError::Declined)));
        Ok(7)
    });
    assert_eq!(run.await.unwrap(), 7);
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
    assert_eq!(shop.number("SELECT count(*) FROM effects WHERE key = 'outer'").await, 1);
}

async fn an_outer_call_that_fails_takes_the_inner_along(shop: Shop) {
    let mut tx = shop.begin().await;
    let run = order(&shop, &mut tx, async |tx| {
        shop.charge(tx, CHARGE, "inner").await?;
        Err(ShopError::Declined)
    });
    assert!(matches!(run.await, Err(ShopError::Declined)));
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn an_inner_call_that_was_dropped_goes_with_an_outer_one_that_fails(shop: Shop) {
    let mut tx = shop.begin().await;
    let run = order(&shop, &mut tx, async |tx| {
        dropped_half_way(&shop, tx, "inner").await;
        Err(ShopError::Declined)
    });
    assert!(matches!(run.await, Err(ShopError::Declined)));
    shop.charge(&mut tx, CHARGE, "after").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (1, 1));
}

async fn an_inner_call_that_was_dropped_cannot_be_committed(shop: Shop) {
    let mut tx = shop.begin().await;
    let run = order(&shop, &mut tx, async |tx| {
        dropped_half_way(&shop, tx, "inner").await;
        Ok(7)
    });
    assert_eq!(run.await.unwrap(), 7);
    let error = tx.commit().await.unwrap_err();
    assert!(is_unfinished(&error), "{error:?}");
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_call_that_makes_itself_again_and_again_does_not_use_up_its_scope(shop: Shop) {
    let share = ScopeShare::new().max_records(4);
    let engine = Idempotency::builder(shop.store.clone()).scope_share(share).build();
    let call = || {
        let call = CHARGE.key("k").scope("tenant").engine(&engine);
        call.returning::<Result<i64, Error>>()
    };
    let mut tx = shop.begin().await;
    let run = call().run_in(&mut *tx, async |tx| {
        for _ in 0..10 {
            let outside = call().run(|| async { Ok(1) }).await.unwrap_err();
            assert_eq!(outside.kind(), ErrorKind::InProgress, "{outside}");
            let within = call().run_in(&mut *tx, async |_| Ok(1)).await.unwrap_err();
            assert_eq!(within.kind(), ErrorKind::InProgress, "{within}");
        }
        Ok(7)
    });
    assert_eq!(run.await.unwrap(), 7);
    tx.commit().await.unwrap();
}
