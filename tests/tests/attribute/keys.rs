//! Keys: expressions of every shape, and key strings.

use std::sync::Mutex;

use idempotent_core::{Error, ErrorKind, idempotent};

use crate::{Runs, alone};

#[derive(Clone)]
struct Order {
    id: u32,
    note: Option<&'static str>,
    lines: Vec<u32>,
}

fn order(id: u32) -> Order {
    Order { id, note: None, lines: vec![1, 2] }
}

#[idempotent(key = "order:{order.id}:{order.lines.len():>4}")]
async fn by_string(order: Order, runs: &Runs) -> Result<u32, Error> {
    drop(order);
    Ok(runs.next())
}

#[tokio::test]
async fn a_key_string_is_the_values_in_its_braces() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_string(order(1), &runs).await.unwrap(), 1);
        assert_eq!(by_string(order(1), &runs).await.unwrap(), 1);
        assert_eq!(by_string(order(2), &runs).await.unwrap(), 2);
        let longer = Order { lines: vec![1], ..order(1) };
        assert_eq!(by_string(longer, &runs).await.unwrap(), 3);
    })
    .await;
}

#[idempotent(key = "{tenant}:{order}")]
async fn by_parts(tenant: &str, order: &str, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn parts_of_a_key_string_do_not_run_together() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_parts("a:b", "c", &runs).await.unwrap(), 1);
        assert_eq!(by_parts("a", "b:c", &runs).await.unwrap(), 2);
        let empty = by_parts("", "c", &runs).await.unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::InvalidKey);
    })
    .await;
}

#[idempotent(key = "note:{order.note}")]
async fn by_optional_part(order: Order, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[idempotent(key = order.note)]
async fn by_option(order: Order, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn none_is_a_missing_key_in_strings_too() {
    let runs = Runs::default();
    alone(async {
        let error = by_optional_part(order(1), &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey);
        let error = by_option(order(1), &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingKey);
        let noted = Order { note: Some("gift"), ..order(1) };
        assert_eq!(by_option(noted, &runs).await.unwrap(), 1);
    })
    .await;
}

#[idempotent(key = "{a}{b}{c}{a:>width$}{b}{c}{a}{b}{c}{a}{b}{c}{a}{b}{{}}")]
async fn by_many_parts(a: u8, b: u8, c: u8, width: usize, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn a_key_string_has_any_number_of_parts() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_many_parts(1, 2, 3, 4, &runs).await.unwrap(), 1);
        assert_eq!(by_many_parts(1, 2, 3, 4, &runs).await.unwrap(), 1);
        assert_eq!(by_many_parts(1, 2, 3, 5, &runs).await.unwrap(), 2);
        assert_eq!(by_many_parts(1, 3, 3, 4, &runs).await.unwrap(), 3);
    })
    .await;
}

#[idempotent(key = *lock.lock().unwrap())]
async fn by_guarded_value(lock: &Mutex<u32>, runs: &Runs) -> Result<u32, Error> {
    *lock.lock().unwrap() += 1;
    tokio::task::yield_now().await;
    Ok(runs.next())
}

#[tokio::test]
async fn a_guard_in_the_key_is_gone_before_the_body_runs() {
    let (runs, lock) = (Runs::default(), Mutex::new(0));
    alone(async {
        assert_eq!(by_guarded_value(&lock, &runs).await.unwrap(), 1);
        assert_eq!(by_guarded_value(&lock, &runs).await.unwrap(), 2);
    })
    .await;
}

#[idempotent(key = parse(text)?)]
async fn by_fallible_value(text: &str, runs: &Runs) -> anyhow::Result<u32> {
    Ok(runs.next())
}

fn parse(text: &str) -> anyhow::Result<u32> {
    Ok(text.parse()?)
}

#[tokio::test]
async fn a_question_mark_in_the_key_returns_before_the_body() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_fallible_value("7", &runs).await.unwrap(), 1);
        assert_eq!(by_fallible_value("007", &runs).await.unwrap(), 1);
        assert!(by_fallible_value("seven", &runs).await.is_err());
        assert_eq!(runs.count(), 1);
    })
    .await;
}

#[idempotent(key = if wide { shop as u64 } else { 0 } << 32 | id as u64)]
async fn by_operators(shop: u32, id: u32, wide: bool, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[idempotent(key = { let next = 1; id + next })]
async fn by_block(id: u32, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[idempotent(key = (&tenant, id.to_string(), [1_u8, 2]))]
async fn by_tuple(tenant: String, id: u32, runs: &Runs) -> Result<u32, Error> {
    drop(tenant);
    Ok(runs.next())
}

#[tokio::test]
async fn any_expression_is_a_key() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_operators(1, 2, true, &runs).await.unwrap(), 1);
        assert_eq!(by_operators(1, 2, false, &runs).await.unwrap(), 2);
        assert_eq!(by_operators(1, 2, true, &runs).await.unwrap(), 1);
        assert_eq!(by_block(1, &runs).await.unwrap(), 3);
        assert_eq!(by_block(1, &runs).await.unwrap(), 3);
        assert_eq!(by_tuple("a".to_owned(), 1, &runs).await.unwrap(), 4);
        assert_eq!(by_tuple("a".to_owned(), 1, &runs).await.unwrap(), 4);
    })
    .await;
}

#[idempotent(key = r#"{names.iter().find(|name| name.contains('}')).map_or("}", |name| name)}"#)]
async fn by_closure_in_a_string(names: &[&str], runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn braces_in_quotes_do_not_end_an_interpolation() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(by_closure_in_a_string(&["a}"], &runs).await.unwrap(), 1);
        assert_eq!(by_closure_in_a_string(&["b"], &runs).await.unwrap(), 2);
        assert_eq!(by_closure_in_a_string(&["x", "a}"], &runs).await.unwrap(), 1);
    })
    .await;
}

#[idempotent(key = id, scope = "{tenant}/{region:>3}")]
async fn scoped_by_string(id: u32, tenant: &str, region: u8, runs: &Runs) -> Result<u32, Error> {
    Ok(runs.next())
}

#[tokio::test]
async fn a_scope_may_be_a_key_string() {
    let runs = Runs::default();
    alone(async {
        assert_eq!(scoped_by_string(1, "a", 1, &runs).await.unwrap(), 1);
        assert_eq!(scoped_by_string(1, "a", 2, &runs).await.unwrap(), 2);
        assert_eq!(scoped_by_string(1, "a", 1, &runs).await.unwrap(), 1);
    })
    .await;
}
