//! `show`: the journal of a call of several effects.

use std::future::pending;
use std::time::Duration;

use idempotent_core::{Error, Idempotency, Operation, step};
use serde_json::json;

use crate::run::{command, one, read};
use crate::stores::{TestStore, on_every_store};

/// A call that is dropped in its second step.
async fn interrupted(engine: &Idempotency) {
    let checkout = Operation::new("shop.checkout").lease(Duration::from_secs(600));
    let call = checkout.key("order 7").engine(engine).returning::<Result<u32, Error>>();
    let run = call.run(|| async {
        step("reserve-stock", || async { Ok::<u32, Error>(3) }).await?;
        step("charge", || async { pending::<Result<u32, Error>>().await }).await
    });
    assert!(tokio::time::timeout(Duration::from_secs(2), run).await.is_err(), "it hangs");
}

async fn a_call_is_shown_with_its_steps(store: TestStore) {
    interrupted(&store.engine).await;
    let show = ["show", "--operation", "shop.checkout", "--key", "order 7"];
    let (document, code) = one(&store.url, &show).await;
    let steps = document["journal"]["steps"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    assert_eq!((code, &steps[0]["name"]), (0, &json!("reserve-stock")));
    assert_eq!((&steps[0]["status"], &steps[0]["part_of"]), (&json!("recorded"), &json!(null)));
    for columns in ["80", "40"] {
        let mut shown = command(&show);
        shown.env("IDEMPOTENT_STORE", &store.url).env("COLUMNS", columns);
        let ran = read(shown.output().await.expect("it starts"));
        let line = ran.stdout.lines().find(|line| line.contains("recorded"));
        let line = line.unwrap_or_else(|| panic!("{}", ran.stdout));
        assert!(line.starts_with("  recorded    reserve-stock, took "), "{line}");
        assert!(line.chars().count() <= columns.parse().expect("a number"), "{line}");
    }
}

on_every_store! { a_call_is_shown_with_its_steps }
