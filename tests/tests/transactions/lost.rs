//! Transactions that were aborted or have ended, although the body returns `Ok`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use idempotent_core::backends::{NotCommitted, RetryTransaction};
use idempotent_core::store::{StoreError, StoreErrorKind};
use idempotent_core::{Disposition, Error, ErrorKind};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection, PgPool};

use crate::setup::{CHARGE, Shop, ShopError, effect, execute};

scenarios! {
    all:
    a_call_whose_body_hides_that_a_statement_failed_is_refused,
    a_call_whose_body_drops_a_nested_begin_halfway_is_refused,
    a_retried_transaction_whose_body_hides_a_failed_statement_is_not_committed,
    a_retried_transaction_whose_body_hides_a_refusal_is_not_committed,
    a_retried_transaction_whose_body_drops_a_nested_begin_halfway_is_not_committed,
    a_retried_transaction_leaves_its_connections_as_they_were,
}

const KEEP: fn(&Charged) -> Disposition = |_| Disposition::Keep;
const RELEASE: fn(&Charged) -> Disposition = |_| Disposition::Release;

type Charged = Result<i64, Refused>;

/// Why a call was refused: the kind of its error, and the kind of the store's.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Refused {
    As(String, String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        let source = std::error::Error::source(&error);
        let cause = source.and_then(|source| source.downcast_ref::<StoreError>());
        let cause = cause.map(StoreError::kind);
        Self::As(error.code().to_owned(), format!("{cause:?}"))
    }
}

impl Refused {
    fn of(kind: ErrorKind, cause: StoreErrorKind) -> Self {
        Self::As(kind.code().to_owned(), format!("{:?}", Some(cause)))
    }
}

/// A call that takes effect, after which something is hidden from it.
async fn charge(
    shop: &Shop,
    disposition: fn(&Charged) -> Disposition,
    hidden: impl AsyncFnOnce(&mut PgConnection),
) -> Charged {
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Charged>().memoize(disposition);
    let charged = call.run_in(&mut tx, async |tx| {
        let run = effect(tx, "k").await.unwrap();
        hidden(tx).await;
        Ok(run)
    });
    let charged = charged.await;
    tx.rollback().await.unwrap();
    charged
}

async fn fail(tx: &mut PgConnection) {
    execute(tx, "SELECT 1 / 0").await.unwrap_err();
}

/// Drops the future of a nested `begin` while its savepoint is under way.
async fn drop_a_begin_halfway(tx: &mut PgConnection) {
    loop {
        let mut begin = pin!(tx.begin());
        // One that was answered at once is rolled back as it should be.
        if begin.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            return;
        }
    }
}

async fn a_call_whose_body_hides_that_a_statement_failed_is_refused(shop: Shop) {
    for disposition in [KEEP, RELEASE] {
        let charged = charge(&shop, disposition, fail).await;
        let refused = Refused::of(ErrorKind::Store, StoreErrorKind::RolledBack);
        assert_eq!(charged, Err(refused));
    }
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_call_whose_body_drops_a_nested_begin_halfway_is_refused(shop: Shop) {
    for disposition in [KEEP, RELEASE] {
        let charged = charge(&shop, disposition, drop_a_begin_halfway).await;
        let refused = Refused::of(ErrorKind::Misconfigured, StoreErrorKind::Mismatch);
        assert_eq!(charged, Err(refused));
    }
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn retried<T>(
    pool: &PgPool,
    body: impl AsyncFn(&mut PgConnection) -> Result<T, ShopError>,
) -> Result<T, ShopError> {
    let retry = RetryTransaction::new();
    retry
        .run(pool, async |mut tx| {
            let result = body(&mut tx).await;
            (tx, result)
        })
        .await
}

#[track_caller]
fn not_committed<T: std::fmt::Debug>(result: Result<T, ShopError>) -> NotCommitted {
    let Err(ShopError::Database(error)) = result else { panic!("{result:?}") };
    let error = error.as_database_error().unwrap();
    *error.try_downcast_ref::<NotCommitted>().unwrap_or_else(|| panic!("{error:?}"))
}

async fn a_retried_transaction_whose_body_hides_a_failed_statement_is_not_committed(shop: Shop) {
    let charged = retried(&shop.pool, async |tx| {
        effect(tx, "k").await?;
        fail(tx).await;
        Ok(())
    });
    assert_eq!(not_committed(charged.await), NotCommitted::Aborted);
    assert_eq!(shop.effects().await, 0);
}

async fn a_retried_transaction_whose_body_hides_a_refusal_is_not_committed(shop: Shop) {
    let charged = retried(&shop.pool, async |tx| {
        effect(tx, "other").await?;
        let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
        let charged = call.run_in(tx, async |tx| {
            fail(tx).await;
            Ok(7)
        });
        assert_eq!(charged.await.unwrap_err().kind(), ErrorKind::Store);
        Ok(())
    });
    assert_eq!(not_committed(charged.await), NotCommitted::Aborted);
    assert_eq!((shop.effects().await, shop.records().await), (0, 0));
}

async fn a_retried_transaction_whose_body_drops_a_nested_begin_halfway_is_not_committed(
    shop: Shop,
) {
    let charged = retried(&shop.pool, async |tx| {
        effect(tx, "k").await?;
        drop_a_begin_halfway(tx).await;
        Ok(())
    });
    assert_eq!(not_committed(charged.await), NotCommitted::Ended);
    assert_eq!(shop.effects().await, 0);
}

async fn a_retried_transaction_leaves_its_connections_as_they_were(shop: Shop) {
    for run in 1..=50 {
        let charged = retried(&shop.pool, async |tx| effect(tx, "k").await);
        assert_eq!(charged.await.unwrap(), run);
        // Committed by itself, so on no connection of the pool is a transaction left open.
        sqlx::query("INSERT INTO counters VALUES ($1, 0)")
            .bind(i32::try_from(run).unwrap() + 1)
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    assert_eq!(shop.number("SELECT count(*) FROM counters").await, 51);
    let counters = format!("SELECT count(*) FROM {}.counters", shop.schema);
    assert_eq!(shop.server.sql(&counters).await, [[Some("51".to_owned())]]);
    assert_eq!(shop.effects().await, 50);
}
