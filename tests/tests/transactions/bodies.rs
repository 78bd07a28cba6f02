//! Bodies that fail: their effects are undone, and the caller's transaction goes on.

use idempotent_core::{ErrorKind, Idempotency};

use crate::setup::{CHARGE, Shop, ShopError, effect, execute};

scenarios! {
    all:
    an_err_undoes_the_bodys_effects_and_leaves_the_transaction_usable,
    a_statement_that_failed_leaves_the_transaction_usable,
    a_failed_statement_that_the_body_keeps_quiet_about_is_no_success,
    a_body_that_commits_for_itself_fails,
    a_body_that_rolls_back_for_itself_fails,
    a_result_that_is_too_large_is_given_and_leaves_a_tombstone,
    a_result_that_a_replay_would_not_return_undoes_the_bodys_effects,
    a_deferred_constraint_of_the_callers_own_is_theirs,
}

async fn an_err_undoes_the_bodys_effects_and_leaves_the_transaction_usable(shop: Shop) {
    let mut tx = shop.begin().await;
    effect(&mut tx, "before").await.unwrap();
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let declined = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        Err(ShopError::Declined)
    });
    assert!(matches!(declined.await, Err(ShopError::Declined)));
    shop.charge(&mut tx, CHARGE, "after").await.unwrap();
    tx.commit().await.unwrap();
    let kept = shop.number("SELECT count(*) FROM effects WHERE key IN ('before', 'after')").await;
    assert_eq!((kept, shop.effects().await, shop.records().await), (2, 2, 1));
    assert_eq!(shop.charge_and_commit("k").await.unwrap(), 4, "the key is vacant");
}

async fn a_result_that_a_replay_would_not_return_undoes_the_bodys_effects(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine);
    let call = call.returning::<Result<Option<()>, ShopError>>().compare_results();
    let refused = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        Ok(Some(()))
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotReplayable, "{refused:?}");
    tx.commit().await.unwrap();
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_statement_that_failed_leaves_the_transaction_usable(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let failed = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        execute(tx, "INSERT INTO counters VALUES (1, 0)").await?;
        Ok(1)
    });
    assert!(matches!(failed.await, Err(ShopError::Database(sqlx::Error::Database(_)))));
    let again = shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!((again, shop.effects().await, shop.records().await), (2, 1, 1));
}

async fn a_failed_statement_that_the_body_keeps_quiet_about_is_no_success(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let quiet = call.run_in(&mut tx, async |tx| {
        let run = effect(tx, "k").await?;
        execute(tx, "SELECT 1 / 0").await.unwrap_err();
        Ok(run)
    });
    let refused = quiet.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store);
    let text = refused.refusal().to_string();
    assert!(text.contains("an earlier statement failed"), "{text}");
    assert!(text.starts_with("the transaction cannot be committed: "), "{text}");
    tx.commit().await.ok();
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_body_that_commits_for_itself_fails(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let failed = call.run_in(&mut tx, async |tx| {
        let run = effect(tx, "k").await?;
        execute(tx, "COMMIT").await?;
        Ok(run)
    });
    // The database refuses the commit and ends the transaction, which outweighs the body's own error.
    assert_eq!(failed.await.unwrap_err().kind(), ErrorKind::Misconfigured);
    drop(tx);
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_body_that_rolls_back_for_itself_fails(shop: Shop) {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let failed = call.run_in(&mut tx, async |tx| {
        let run = effect(tx, "k").await?;
        execute(tx, "ROLLBACK").await?;
        Ok(run)
    });
    let refused = failed.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    drop(tx);
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_result_that_is_too_large_is_given_and_leaves_a_tombstone(shop: Shop) {
    let engine = Idempotency::builder(shop.store.clone()).max_result_bytes(16).build();
    let call = || CHARGE.key("k").engine(&engine).returning::<Result<String, ShopError>>();
    let mut tx = shop.begin().await;
    let first = call().run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        Ok("x".repeat(100))
    });
    assert_eq!(first.await.unwrap().len(), 100);
    tx.commit().await.unwrap();
    assert_eq!(shop.effects().await, 1);
    let mut tx = shop.begin().await;
    let second = call().run_in(&mut tx, async |_| Ok("again".to_owned()));
    assert_eq!(second.await.unwrap_err().kind(), ErrorKind::ResultNotKept);
    tx.commit().await.unwrap();
}

async fn a_deferred_constraint_of_the_callers_own_is_theirs(shop: Shop) {
    let mut tx = shop.begin().await;
    let constraint = "ALTER TABLE effects ADD UNIQUE (key) DEFERRABLE INITIALLY DEFERRED";
    execute(&mut tx, constraint).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = shop.begin().await;
    effect(&mut tx, "k").await.unwrap();
    shop.charge(&mut tx, CHARGE, "k").await.unwrap();
    let error = tx.commit().await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("23505"));
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}
