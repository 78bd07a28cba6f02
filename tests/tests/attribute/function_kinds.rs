//! Free functions of every kind.

use std::fmt::Display;

use idempotent_core::{Error, idempotent};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Runs, alone};

/// Asks a call twice, and whether the body ran once.
macro_rules! replays {
    ($runs:ident, $call:expr) => {
        let $runs = Runs::default();
        alone(async {
            let first = $call.await.unwrap();
            let second = $call.await.unwrap();
            assert_eq!(first, second);
            assert_eq!($runs.count(), 1);
        })
        .await;
    };
}

#[idempotent(key = "{id}", name = "kinds.generic")]
async fn generic<'a, K, const N: usize>(id: &'a K, runs: &Runs) -> Result<[u32; N], Error>
where
    K: Display + idempotent_core::Key + ?Sized + 'a,
    [u32; N]: Serialize + DeserializeOwned,
{
    assert!(!id.to_string().is_empty());
    Ok([runs.next(); N])
}

#[tokio::test]
async fn generics_lifetimes_and_where_clauses() {
    replays!(runs, generic::<str, 2>("a", &runs));
}

#[idempotent(key = id, name = "kinds.impl_trait")]
async fn impl_trait(
    id: impl Display + idempotent_core::Key,
    runs: &Runs,
) -> Result<impl Serialize + DeserializeOwned + PartialEq + std::fmt::Debug, Error> {
    Ok(format!("{id} {}", runs.next()))
}

#[tokio::test]
async fn impl_trait_arguments_and_returns() {
    replays!(runs, impl_trait("a", &runs));
}

struct Json<T>(T);

struct Order {
    id: u32,
    amount: u32,
}

#[idempotent(key = "{id}:{r#type}")]
async fn patterns(
    Json(Order { id, amount }): Json<Order>,
    mut total: u32,
    _: &str,
    r#type: &str,
    (runs, [first, ..]): (&Runs, [u8; 2]),
) -> Result<u32, Error> {
    total += amount + u32::from(first) + runs.next();
    Ok(total)
}

#[tokio::test]
async fn argument_patterns() {
    let order = || Json(Order { id: 1, amount: 10 });
    replays!(runs, patterns(order(), 100, "", "a", (&runs, [5, 6])));
}

#[idempotent(key = r#yield)]
async fn r#match(r#yield: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next() + r#yield)
}

#[tokio::test]
async fn raw_identifiers() {
    replays!(runs, r#match(1, &runs));
}

#[idempotent(key = id)]
async fn unit(id: &str, runs: &Runs) -> Result<(), Error> {
    let _ = id;
    runs.next();
    Ok(())
}

#[tokio::test]
async fn empty_results_replay() {
    replays!(runs, unit("a", &runs));
}

#[idempotent(key = "early", singleton)]
async fn early_return(runs: &Runs) -> Result<Option<u32>, Error> {
    for run in 1.. {
        unit("inner", &Runs::default()).await?;
        match runs.next() {
            next if next != run => break,
            1 => return Ok(Some(run)),
            _ => {}
        }
    }
    Ok(None)
}

#[tokio::test]
async fn bodies_that_return_break_and_ask() {
    replays!(runs, early_return(&runs));
}

#[idempotent(key = "forever", singleton)]
async fn diverges(runs: &Runs) -> Result<u32, Error> {
    loop {
        if runs.next() > 0 {
            return Ok(1);
        }
    }
}

#[tokio::test]
async fn bodies_without_a_tail() {
    replays!(runs, diverges(&runs));
}

#[idempotent(key = "inner attributes", singleton)]
async fn inner_attributes(runs: &Runs) -> Result<u32, Error> {
    #![allow(non_snake_case)]
    use std::convert::identity as same;
    const ONE: u32 = 1;
    let Total = same(ONE) + runs.next();
    Ok(Total)
}

#[tokio::test]
async fn bodies_with_attributes_and_items() {
    replays!(runs, inner_attributes(&runs));
}

#[idempotent(key = call)]
async fn named_like_ours(call: u32, runs: &Runs) -> Result<u32, Error> {
    let output = call + runs.next();
    Ok(call + output)
}

#[tokio::test]
async fn arguments_named_like_the_expansion_s_own() {
    replays!(runs, named_like_ours(1, &runs));
}

type Fallible<T> = Result<T, Error>;

#[idempotent(key = "alias", singleton)]
async fn alias(runs: &Runs) -> Fallible<u32> {
    Ok(runs.next())
}

#[tokio::test]
async fn aliases_of_result() {
    replays!(runs, alias(&runs));
}

#[tokio::test]
async fn functions_inside_functions() {
    #[idempotent(key = id)]
    async fn inner(id: u32, runs: &Runs) -> Result<u32, Error> {
        Ok(runs.next() + id)
    }
    replays!(runs, inner(1, &runs));
}
