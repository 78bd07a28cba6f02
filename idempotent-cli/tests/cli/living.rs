//! Changes of a call that runs: whether its owner is alive.

use std::time::Duration;

use idempotent_core::call::BeginOutcome;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, Reservation};
use serde_json::json;

use crate::run::{audit, run};
use crate::stores::{TestStore, on_every_store};

on_every_store!(
    a_call_whose_owner_renews_its_lease_is_left_alone,
    of_a_call_whose_owner_renews_no_more_the_lease_is_waited_for,
    of_a_call_whose_lease_is_nearly_over_nobody_waits_for_more,
    a_call_whose_long_lease_is_not_renewed_is_released,
);

const BY: [&str; 4] = ["--operation", "shop.pay", "--key", "7"];
const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];
const PAY: Operation =
    Operation::new("shop.pay").guarantee(Guarantee::AtMostOnce).lease(Duration::from_secs(9));

async fn begin(engine: &Idempotency, pay: Operation) -> Reservation<String, Error> {
    let call = pay.key("7").engine(engine).returning::<Result<String, Error>>();
    match call.begin().await.expect("it begins") {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

async fn a_call_whose_owner_renews_its_lease_is_left_alone(store: TestStore) {
    let running = begin(&store.engine, PAY).await;
    let change = async |change: &[&str]| {
        let ran = run(&store.url, &[change, &BY[..], &YES].concat()).await;
        assert_eq!(ran.code, 4, "{change:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("looking again in"), "{}", ran.stderr);
        assert!(ran.stderr.contains("it is ALIVE"), "{}", ran.stderr);
        assert!(ran.stderr.contains("--although-it-runs"), "{}", ran.stderr);
    };
    tokio::join!(
        change(&["resolve", "--happened", "\"x\""]),
        change(&["resolve", "--never-happened-and-owner-is-dead"]),
        change(&["release"]),
        change(&["release", "--dry-run"]),
        change(&["purge"]),
    );
    running.complete(&Ok("paid".to_owned())).await;
    let id = store.engine.record_id("shop.pay", None, "7").expect("an id");
    let seen = store.engine.inspect(&id).await.expect("it answers").expect("it is there");
    assert!(!seen.is_resolved(), "the result is the call's own");
}

/// A run that has reached its `max_run` renews no more, as one whose process has died.
const DIES: Duration = Duration::from_millis(1);

/// An owner that is held up looks the same, so the end of the lease is waited for.
async fn of_a_call_whose_owner_renews_no_more_the_lease_is_waited_for(store: TestStore) {
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    let dead = begin(&store.engine, PAY.max_run(DIES)).await;
    let release = async || run(&store.url, &[&["release"], &BY[..], &YES].concat()).await;
    let happened = ["resolve", "--happened", "\"x\""];
    let resolve = [&happened, &BY[..], &YES, &log_option].concat();
    let (released, resolved) = tokio::join!(release(), run(&store.url, &resolve));
    assert_eq!(released.code, 4, "{}", released.stderr);
    assert!(released.stderr.contains("its lease lapses in"), "{}", released.stderr);
    assert_eq!(resolved.code, 0, "{}", resolved.stderr);
    let owner = audit(&log)[0]["owner"].to_string();
    assert!(owner.contains("let the lease lapse"), "{owner}");
    drop(dead);
}

/// Only its retention is left then, which is nothing to wait for.
async fn of_a_call_whose_lease_is_nearly_over_nobody_waits_for_more(store: TestStore) {
    let dead = begin(&store.engine, PAY.lease(Duration::from_secs(4)).max_run(DIES)).await;
    // The second look comes 0.4 seconds after the first.
    tokio::time::sleep(Duration::from_millis(3_700)).await;
    let resolve = [&["resolve", "--happened", "\"x\""], &BY[..], &YES].concat();
    let resolved = tokio::time::timeout(Duration::from_secs(60), run(&store.url, &resolve));
    let resolved = resolved.await.expect("it waits for no retention");
    assert_eq!(resolved.code, 0, "{}", resolved.stderr);
    drop(dead);
}

async fn a_call_whose_long_lease_is_not_renewed_is_released(store: TestStore) {
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    let long = PAY.lease(Duration::from_secs(36)).max_run(DIES);
    let dead = begin(&store.engine, long).await;
    let ran = run(&store.url, &[&["release"], &BY[..], &YES, &log_option].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("its owner seems dead"), "{}", ran.stderr);
    let owner = audit(&log)[0]["owner"].to_string();
    assert!(owner.contains("seems dead"), "{owner}");
    drop(dead);
}

#[tokio::test]
async fn a_lease_whose_renewal_is_far_off_tells_nothing_and_whoever_knows_better_says_so() {
    let store = TestStore::sqlite().await;
    let running = begin(&store.engine, PAY.lease(Duration::from_secs(600))).await;
    let refused = run(&store.url, &[&["release"], &BY[..], &YES].concat()).await;
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("only then can be seen"), "{}", refused.stderr);
    let although = ["release", "--although-it-runs"];
    let (done, code) = crate::run::one(&store.url, &[&although, &BY[..], &YES].concat()).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)));
    drop(running);
}

#[tokio::test]
async fn a_call_whose_owner_has_died_is_not_said_to_run_nor_in_the_audit_log() {
    let store = TestStore::sqlite().await;
    let log = store.file("audit.jsonl");
    let dies = PAY.lease(Duration::from_millis(500)).max_run(Duration::from_millis(1));
    let dead = begin(&store.engine, dies).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (shown, _) = crate::run::one(&store.url, &[&["show"], &BY[..]].concat()).await;
    assert_eq!((&shown["state"], &shown["owner"]), (&json!("indeterminate"), &json!("lapsed")));
    let option = ["--happened", "\"x\"", "--audit-log", log.to_str().expect("UTF-8")];
    let ran = run(&store.url, &[&["resolve"], &BY[..], &YES, &option].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(audit(&log)[0]["before"]["owner"], json!("lapsed"));
    drop(dead);
}
