//! Errors that are results: kept by calls that say so, with their effects undone.

use std::fmt;

use idempotent_core::{Disposition, Error, ErrorKind};
use serde::{Deserialize, Serialize};

use crate::setup::{CHARGE, Shop, effect, execute};

scenarios! { read_committed: an_err_of_a_call_that_keeps_all_is_replayed }

scenarios! {
    snapshots:
    an_err_that_nobody_looked_at_is_not_kept,
    an_err_that_a_function_keeps_is_replayed,
}

scenarios! {
    all:
    an_err_whose_own_rule_keeps_it_leaves_a_tombstone,
    an_ok_that_a_function_releases_leaves_its_effects_and_no_record,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Failure {
    Declined,
    Other(String),
    Refused(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error.code().to_owned())
    }
}

type Charged = Result<i64, Failure>;

async fn decline(shop: &Shop, call: idempotent_core::Call<i64, Failure>) -> Charged {
    let mut tx = shop.begin().await;
    let charged = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await.map_err(|error| Failure::Other(error.to_string()))?;
        execute(tx, "SELECT 1 / 0").await.unwrap_err();
        Err(Failure::Declined)
    });
    let charged = charged.await;
    tx.commit().await.unwrap();
    charged
}

async fn an_err_of_a_call_that_keeps_all_is_replayed(shop: Shop) {
    let call = || CHARGE.key("k").engine(&shop.engine).returning::<Charged>().memoize_errors();
    for _ in 0..2 {
        assert_eq!(decline(&shop, call()).await, Err(Failure::Declined));
    }
    assert_eq!((shop.effects().await, shop.runs().await, shop.records().await), (0, 1, 1));
}

async fn an_err_that_nobody_looked_at_is_not_kept(shop: Shop) {
    let call = || CHARGE.key("k").engine(&shop.engine).returning::<Charged>().memoize_errors();
    for _ in 0..2 {
        assert_eq!(decline(&shop, call()).await, Err(Failure::Declined));
    }
    assert_eq!((shop.effects().await, shop.runs().await, shop.records().await), (0, 2, 0));
}

fn is_final(result: &Charged) -> Disposition {
    match result {
        Ok(_) | Err(Failure::Declined) => Disposition::Keep,
        Err(_) => Disposition::Release,
    }
}

async fn an_err_that_a_function_keeps_is_replayed(shop: Shop) {
    let call = || CHARGE.key("k").engine(&shop.engine).returning::<Charged>().memoize(is_final);
    for _ in 0..2 {
        assert_eq!(decline(&shop, call()).await, Err(Failure::Declined));
    }
    assert_eq!((shop.effects().await, shop.runs().await, shop.records().await), (0, 1, 1));
}

/// `on_error` asks for no serde on the error, so there is nothing to replay.
async fn an_err_whose_own_rule_keeps_it_leaves_a_tombstone(shop: Shop) {
    let call = || {
        let call = CHARGE.key("k").engine(&shop.engine).returning::<Charged>();
        call.on_error(|_| Disposition::Keep)
    };
    assert_eq!(decline(&shop, call()).await, Err(Failure::Declined));
    let refused = ErrorKind::ResultNotKept.code().to_owned();
    assert_eq!(decline(&shop, call()).await, Err(Failure::Refused(refused)));
    assert_eq!((shop.effects().await, shop.runs().await), (0, 1));
}

async fn an_ok_that_a_function_releases_leaves_its_effects_and_no_record(shop: Shop) {
    let release: fn(&Charged) -> Disposition = |_| Disposition::Release;
    for run in 1..=2 {
        let mut tx = shop.begin().await;
        let call = CHARGE.key("k").engine(&shop.engine).returning::<Charged>().memoize(release);
        let charged = call.run_in(&mut tx, async |tx| {
            effect(tx, "k").await.map_err(|error| Failure::Other(error.to_string()))
        });
        assert_eq!(charged.await, Ok(run));
        tx.commit().await.unwrap();
    }
    assert_eq!((shop.effects().await, shop.records().await), (2, 0));
}
