//! Operations that share a name, or have none of their own.

use idempotent_core::backends::MemoryStore;
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Log, Runs, call, engine};

const FIRST: Operation = Operation::new("charge");
const SECOND: Operation = Operation::new("charge");
const UNNAMED: Operation = Operation::from_path("shop::charge");

fn strict() -> Idempotency {
    Idempotency::builder(MemoryStore::new()).strict_names().build()
}

#[tokio::test]
async fn two_operations_of_one_name_are_reported_once_at_error_level() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    for operation in [FIRST, SECOND, FIRST, SECOND, SECOND] {
        assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 1, "they share records");
    }
    let lines = log.events("two operations share a name");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].level, tracing::Level::ERROR);
    assert_eq!(lines[0].field("operation"), "charge");
    assert!(lines[0].field("first").contains("names.rs"));
    assert_ne!(lines[0].field("first"), lines[0].field("second"));
}

#[tokio::test]
async fn one_operation_called_often_is_not_reported() {
    let (log, _listening) = Log::listen();
    let (engine, runs) = (engine(), Runs::new());
    for key in 0..1000 {
        call(&engine, FIRST, &key.to_string(), &runs).await.unwrap();
    }
    assert_eq!(log.events("two operations share a name").len(), 0);
}

#[tokio::test]
async fn operations_of_one_name_on_two_engines_are_not_reported() {
    let (log, _listening) = Log::listen();
    let runs = Runs::new();
    call(&engine(), FIRST, "k", &runs).await.unwrap();
    call(&engine(), SECOND, "k", &runs).await.unwrap();
    assert_eq!(log.events("two operations share a name").len(), 0);
}

#[tokio::test]
async fn strict_names_refuses_the_second_operation_of_a_name_every_time() {
    let (engine, runs) = (strict(), Runs::new());
    call(&engine, FIRST, "k", &runs).await.unwrap();
    for key in ["k", "other"] {
        let refused = call(&engine, SECOND, key, &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured);
        assert!(refused.to_string().contains("names.rs"), "{refused}");
    }
    assert_eq!(call(&engine, FIRST, "k", &runs).await.unwrap(), 1);
    assert_eq!(runs.count(), 1);
}

#[tokio::test]
async fn strict_names_refuses_default_names() {
    let runs = Runs::new();
    let refused = call(&strict(), UNNAMED, "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Misconfigured, 0));
    assert_eq!(call(&engine(), UNNAMED, "k", &runs).await.unwrap(), 1);
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_misconfigured() {
    let (engine, runs) = (engine(), Runs::new());
    let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
    for name in ["", "a b", "a{b}", "a\nb", "a\u{a0}b", long] {
        let refused = call(&engine, Operation::new(name), "k", &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured, "{name:?}");
    }
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn many_operations_keep_their_standing() {
    let (engine, runs) = (strict(), Runs::new());
    let names: Vec<&'static str> =
        (0..2000).map(|i| &*Box::leak(format!("operation-{i}").into_boxed_str())).collect();
    for round in 0..3 {
        for name in &names {
            call(&engine, Operation::new(name), "k", &runs).await.unwrap();
        }
        assert_eq!(runs.count(), 2000, "round {round}");
    }
    let refused = call(&engine, Operation::new(names[7]), "k", &runs).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misconfigured);
}
