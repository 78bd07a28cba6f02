//! What the attribute finds out about a function's types, without asking for a bound.

use std::collections::HashSet;
use std::fmt::Display;

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::Memoizable;
use idempotent_core::engine::with_engine;
use idempotent_core::{Error, ErrorKind, Idempotency, idempotent};
use serde::{Deserialize, Serialize};

/// Runs `test` on an engine with the defaults, which verify results in a debug build.
async fn alone<F: Future>(test: F) -> F::Output {
    with_engine(Idempotency::new(MemoryStore::new()), test).await
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    id: u8,
    customer: Customer,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Customer {
    name: String,
    #[serde(skip)]
    card: Option<String>,
}

fn receipt() -> Receipt {
    let card = Some("4111 secret".to_owned());
    Receipt { id: 1, customer: Customer { name: "secret".to_owned(), card } }
}

#[idempotent(key = order, name = "shop.charge")]
async fn charge(order: u32) -> Result<Receipt, Error> {
    let _ = order;
    Ok(receipt())
}

#[tokio::test]
async fn a_skipped_field_is_refused_by_the_first_call_which_names_operation_and_field() {
    let refused = alone(charge(7)).await.unwrap_err();
    assert_eq!((refused.kind(), refused.operation()), (ErrorKind::NotReplayable, "shop.charge"));
    let shown = refused.to_string();
    assert!(shown.contains("`customer.card`") && shown.contains("shop.charge"), "{shown}");
    assert!(!format!("{refused} {refused:?}").contains("secret"), "{refused:?}");
}

/// Without `Debug`.
#[derive(PartialEq, Serialize, Deserialize)]
struct Quiet {
    #[serde(skip)]
    card: u8,
}

#[idempotent(key = "k", singleton, name = "quiet")]
async fn quiet() -> Result<Quiet, Error> {
    Ok(Quiet { card: 1 })
}

#[tokio::test]
async fn a_type_without_debug_is_compared_too() {
    let refused = alone(quiet()).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotReplayable);
}

/// Without `PartialEq`.
#[derive(Debug, Serialize, Deserialize)]
struct Incomparable {
    items: HashSet<String>,
    #[serde(default = "seven", skip_serializing_if = "is_zero")]
    total: u8,
    #[serde(skip)]
    card: u8,
}

fn seven() -> u8 {
    7
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what serde passes")]
fn is_zero(total: &u8) -> bool {
    *total == 0
}

#[idempotent(key = total, name = "incomparable")]
async fn incomparable(total: u8) -> Result<Incomparable, Error> {
    let items = (0..50).map(|item| item.to_string()).collect();
    Ok(Incomparable { items, total, card: 1 })
}

#[tokio::test]
async fn a_type_without_partial_eq_is_compared_by_its_encoding() {
    alone(async {
        // A set iterates in another order once it has been read back, and `card` is not encoded.
        assert_eq!(incomparable(1).await.unwrap().card, 1);
        let refused = incomparable(0).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotReplayable);
        assert!(refused.to_string().contains("`total`"), "{refused}");
    })
    .await;
}

#[idempotent(key = name, name = "generic")]
async fn generic<T: Memoizable + Clone>(name: &str, value: &T) -> Result<T, Error> {
    let _ = name;
    Ok(value.clone())
}

#[idempotent(key = name, name = "generic.bounded")]
async fn bounded<T: Memoizable + Clone + PartialEq>(name: &str, value: &T) -> Result<T, Error> {
    let _ = name;
    Ok(value.clone())
}

#[tokio::test]
async fn a_type_parameter_is_compared_as_its_bounds_allow() {
    alone(async {
        assert_eq!(generic("a", &Some(())).await.unwrap(), Some(()), "only `==` sees it");
        let refused = bounded("a", &Some(())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotReplayable);
        assert_eq!(bounded("b", &7).await.unwrap(), 7);
    })
    .await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Declined {
    Card {
        #[serde(skip)]
        why: u8,
    },
    Refused,
}

impl From<Error> for Declined {
    fn from(error: Error) -> Self {
        assert_eq!(error.kind(), ErrorKind::NotReplayable);
        Self::Refused
    }
}

#[idempotent(key = "k", singleton, name = "decline", memoize = all)]
async fn decline(why: u8) -> Result<u8, Declined> {
    Err(Declined::Card { why })
}

#[tokio::test]
async fn a_memoized_error_is_compared_too() {
    assert_eq!(alone(decline(1)).await, Err(Declined::Refused));
    assert_eq!(alone(decline(0)).await, Err(Declined::Card { why: 0 }));
}

#[idempotent(key = "k", singleton, name = "opaque")]
async fn opaque() -> Result<impl Display + Memoizable, Error> {
    Ok(7)
}

#[tokio::test]
async fn a_type_that_is_not_named_is_compared_by_its_encoding() {
    assert_eq!(alone(opaque()).await.unwrap().to_string(), "7");
}

#[idempotent(key = "k", singleton, name = "not_a_number")]
async fn not_a_number() -> Result<f64, Error> {
    Ok(f64::NAN)
}

#[tokio::test]
async fn a_value_that_is_not_equal_to_itself_is_compared_by_its_encoding() {
    assert!(alone(not_a_number()).await.unwrap().is_nan());
}
