//! Stores around the one in the database, and its other names.

use std::time::Duration;

use idempotent_core::backends::{NearCache, PostgresStore};
use idempotent_core::{Call, ErrorKind, Idempotency};

use crate::setup::{CHARGE, Shop, ShopError, effect};

scenarios! {
    all:
    a_near_cache_never_tells_what_was_not_committed,
    tables_under_any_names_serve,
    a_call_outside_of_transactions_does_not_wait_for_ever,
}

fn call(engine: &Idempotency) -> Call<i64, ShopError> {
    CHARGE.key("k").engine(engine).returning::<Result<i64, ShopError>>()
}

async fn a_near_cache_never_tells_what_was_not_committed(shop: Shop) {
    let engine = Idempotency::new(NearCache::new(shop.store.clone()));
    let mut tx = shop.begin().await;
    call(&engine).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = shop.begin().await;
    let run = call(&engine).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((run, shop.effects().await), (2, 1));
    // Calls outside of transactions fill it, and calls within them may then ask it.
    assert_eq!(call(&engine).run(async || Ok(70)).await.unwrap(), 2);
    let mut tx = shop.begin().await;
    let again = call(&engine).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((again, shop.effects().await), (2, 1));
}

async fn tables_under_any_names_serve(shop: Shop) {
    for table in ["Mandant-1", "записи", "select"] {
        let store = PostgresStore::builder(shop.pool.clone()).schema(&shop.schema).table(table);
        let store = store.response_timeout(Duration::from_secs(10)).connect().await.unwrap();
        let engine = Idempotency::new(store);
        let mut tx = shop.begin().await;
        let run = call(&engine).run_in(&mut tx, async |tx| effect(tx, "k").await).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = shop.begin().await;
        assert_eq!(call(&engine).run_in(&mut tx, async |_| Ok(0)).await.unwrap(), run);
    }
    assert_eq!((shop.effects().await, shop.records().await), (3, 0));
}

async fn a_call_outside_of_transactions_does_not_wait_for_ever(shop: Shop) {
    let store = PostgresStore::builder(shop.pool.clone()).schema(&shop.schema);
    let store = store.response_timeout(Duration::from_millis(300));
    let store = store.connect_with_retry(Duration::from_secs(10)).await.unwrap();
    let mut tx = shop.begin().await;
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    let outside = call(&Idempotency::new(store)).run(async || Ok(70)).await;
    let refused = outside.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    assert!(refused.refusal().is_retryable());
    tx.commit().await.unwrap();
    assert_eq!(call(&shop.engine).run(async || Ok(70)).await.unwrap(), 1);
}
