//! `resolve`, `correct`, `release` and `purge`: what they change, what they refuse, and what they write down.

use idempotent_core::ErrorKind;
use idempotent_core::engine::Resolution;
use serde_json::{Value, json};

use crate::run::{audit, command, documents, json as all, one, read, run};
use crate::shop::{CHARGE, begin, charge, fill, lost, quote, seen};
use crate::stores::{TestStore, on_every_store};

on_every_store!(
    a_call_that_is_resolved_replays_what_was_said,
    a_call_that_never_happened_runs_again,
    a_resolution_is_corrected,
    a_released_call_runs_again,
    a_purged_record_runs_again,
    a_scope_is_erased_and_no_other,
    scopes_of_several_parts_stay_and_are_counted,
    a_dry_run_changes_nothing,
    a_record_that_has_changed_since_is_left_alone,
);

const BY: [&str; 8] =
    ["--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "7"];
const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];

fn on_seven<'a>(command: &[&'a str]) -> Vec<&'a str> {
    [command, &BY[..], &YES[..]].concat()
}

async fn a_call_that_is_resolved_replays_what_was_said(store: TestStore) {
    let before = lost(&store.engine, "7").await;
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    let arguments = on_seven(&["resolve", "--happened", r#""receipt 7""#]);
    let (done, code) = one(&store.url, &[&arguments[..], &log_option].concat()).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)));
    assert_eq!(
        (&done["before"]["state"], &done["after"]["state"]),
        (&json!("indeterminate"), &json!("completed"))
    );
    assert_eq!(done["after"]["resolved"], json!(true));
    assert_eq!(charge(&store.engine, "7", "never").await.expect("it replays"), "receipt 7");

    let lines = audit(&log);
    assert_eq!(lines.len(), 2);
    let begun = &lines[0];
    assert_eq!((&begun["phase"], &begun["command"]), (&json!("begin"), &json!("resolve")));
    assert_eq!((&begun["reason"], &begun["said"]), (&json!("ticket 42"), &json!("happened")));
    assert!(begun["operator"].as_str().is_some_and(|who| who.starts_with("ada@")), "{begun}");
    assert_eq!(begun["before"]["token"], json!(before.token().to_string()));
    assert!(begun["time"].is_string() && begun["store"].is_string());
    assert_eq!((&lines[1]["phase"], &lines[1]["outcome"]), (&json!("end"), &json!("done")));
    assert_eq!((&lines[1]["change"], &done["audit"]), (&begun["change"], &begun["change"]));

    let (again, code) = one(&store.url, &arguments).await;
    assert_eq!((code, &again["code"]), (4, &json!("refused")));
}

async fn a_call_that_never_happened_runs_again(store: TestStore) {
    lost(&store.engine, "7").await;
    let refused = charge(&store.engine, "7", "receipt").await.expect_err("nobody knows");
    assert_eq!(refused.kind(), ErrorKind::Indeterminate);
    let ran = run(&store.url, &on_seven(&["resolve", "--never-happened-and-owner-is-dead"])).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(charge(&store.engine, "7", "receipt").await.expect("it runs"), "receipt");
}

async fn a_resolution_is_corrected(store: TestStore) {
    let lost = lost(&store.engine, "7").await;
    let (refused, code) =
        one(&store.url, &on_seven(&["correct", "--happened", r#""receipt 7""#])).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")));
    store.engine.resolve(&lost, Resolution::completed("receipt 8")).await.expect("it is resolved");
    let ran = run(&store.url, &on_seven(&["correct", "--happened", r#""receipt 7""#])).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(charge(&store.engine, "7", "never").await.expect("it replays"), "receipt 7");
}

async fn a_released_call_runs_again(store: TestStore) {
    let owner = begin(&store.engine, "7").await;
    owner.hold_for_lease().await;
    let (refused, code) = one(&store.url, &on_seven(&["correct", "--failed", "1"])).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")));
    let (done, code) = one(&store.url, &on_seven(&["release"])).await;
    assert_eq!(
        (code, &done["before"]["state"], &done["after"]),
        (0, &json!("reserved"), &Value::Null)
    );
    assert_eq!(charge(&store.engine, "7", "receipt").await.expect("it runs"), "receipt");
    let (refused, code) = one(&store.url, &on_seven(&["release"])).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")));
}

async fn a_purged_record_runs_again(store: TestStore) {
    let log = store.file("audit.jsonl");
    for state in ["completed", "indeterminate", "reserved"] {
        match state {
            "completed" => drop(charge(&store.engine, "7", "first").await.expect("it completes")),
            "indeterminate" => drop(lost(&store.engine, "7").await),
            _ => begin(&store.engine, "7").await.hold_for_lease().await,
        }
        let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
        let (done, code) =
            one(&store.url, &[&on_seven(&["purge"])[..], &log_option].concat()).await;
        assert_eq!((code, &done["before"]["state"]), (0, &json!(state)));
        assert_eq!(done["after"], Value::Null, "{state}");
        assert!(seen(&store.engine, "7").await.is_none());
    }
    assert_eq!(charge(&store.engine, "7", "second").await.expect("it runs"), "second");
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(!text.contains("order:7") && !text.contains("acme"), "{text}");
}

async fn a_scope_is_erased_and_no_other(store: TestStore) {
    let _running = fill(&store.engine).await;
    let erase = ["purge", "--all", "--scope", "acme", "--expect", "1"];
    let (counted, code) = one(&store.url, &[&erase[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, &counted["matched"], &counted["purged"]), (0, &json!(1), &json!(0)));
    assert_eq!(counted["kept"], json!({ "indeterminate": 1, "reserved": 1 }));
    let counted = run(&store.url, &[&erase[..], &["--dry-run"]].concat()).await;
    let says = "1 record of scope acme would be removed. 1 indeterminate stays. 1 reserved stays. \
                1 other has no scope, or does not say which, and stays.\n";
    assert!(counted.stdout.ends_with(says), "{}", counted.stdout);
    let (done, code) = one(&store.url, &[&erase[..], &YES].concat()).await;
    assert_eq!((code, &done["purged"], &done["changed"]), (0, &json!(1), &json!(0)));
    assert_eq!(done["without_scope"], json!(1));
    let (left, _) = all(&store.url, &["list"]).await;
    assert_eq!(left.len(), 3, "{left:#?}");
    assert!(seen(&store.engine, "8").await.is_none());

    let by_state = [&erase[..], &["--state", "indeterminate"], &YES].concat();
    let (done, _) = one(&store.url, &by_state).await;
    assert_eq!(done["purged"], json!(1));
    let (done, _) = one(
        &store.url,
        &[&["purge", "--all", "--operation", "shop.quote", "--expect", "1"][..], &YES].concat(),
    )
    .await;
    assert_eq!(done["purged"], json!(1));
}

/// Tenant and user are another scope than the tenant.
async fn scopes_of_several_parts_stay_and_are_counted(store: TestStore) {
    charge(&store.engine, "8", "receipt 8").await.expect("it completes");
    for scope in [("acme", "alice"), ("acme", "bob"), ("acmeland", "carol")] {
        let call = CHARGE.scope(scope).key("8").engine(&store.engine);
        let call = call.returning::<Result<String, idempotent_core::Error>>();
        call.run(|| async { Ok("receipt".to_owned()) }).await.expect("it completes");
    }
    let erase = ["purge", "--all", "--scope", "acme", "--expect", "1"];
    let counted = run(&store.url, &[&erase[..], &["--dry-run"]].concat()).await;
    let says = "1 record of scope acme would be removed. 2 of scopes that begin with acme/ stay: purge each of these.\n";
    assert!(counted.code == 0 && counted.stdout.ends_with(says), "{}", counted.stdout);
    let (done, code) = one(&store.url, &[&erase[..], &YES].concat()).await;
    assert_eq!((code, &done["purged"], &done["longer_scope"]), (0, &json!(1), &json!(2)));
    let again = run(&store.url, &[&erase[..], &YES].concat()).await;
    let says = "nothing of scope acme to remove. 2 of scopes that begin with acme/ stay: purge each of these.\n";
    assert!(again.code == 0 && again.stdout.ends_with(says), "{}", again.stdout);
    let (done, _) =
        one(&store.url, &[&erase[..3], &["acme/alice", "--expect", "1"], &YES].concat()).await;
    assert_eq!((&done["purged"], &done["longer_scope"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn an_erasure_without_the_secret_says_that_records_cannot_be_read() {
    let store = TestStore::sqlite().await;
    let path = store.url.strip_prefix("sqlite:").expect("a path");
    let same = idempotent_core::backends::SqliteStore::connect(path).await.expect("it opens");
    let engine = idempotent_core::Idempotency::builder(same).secret([0x5a; 32]).build();
    charge(&engine, "8", "receipt 8").await.expect("it completes");
    let erase = ["purge", "--all", "--scope", "acme", "--expect", "1"];
    let (done, code) = one(&store.url, &[&erase[..], &YES].concat()).await;
    assert_eq!((code, &done["matched"], &done["unreadable"]), (7, &json!(0), &json!(1)));
    let counted = run(&store.url, &[&erase[..], &["--dry-run"]].concat()).await;
    let says = "0 records of scope acme would be removed. 1 cannot be read, may be of this scope, and stays: \
                is the secret right?\n";
    assert!(counted.code == 7 && counted.stdout.ends_with(says), "{}", counted.stdout);
    // What is known to be of another operation is not meant.
    let other = ["purge", "--all", "--operation", "shop.quote", "--dry-run"];
    assert_eq!(one(&store.url, &other).await.1, 0);
    assert_eq!(charge(&engine, "8", "never").await.expect("it stays"), "receipt 8");
}

async fn a_dry_run_changes_nothing(store: TestStore) {
    lost(&store.engine, "7").await;
    let log = store.file("audit.jsonl");
    for change in [
        &["resolve", "--happened", "\"x\""][..],
        &["resolve", "--never-happened-and-owner-is-dead"],
        &["purge"],
    ] {
        let dry = ["--dry-run", "--audit-log", log.to_str().expect("UTF-8")];
        let (done, code) = one(&store.url, &[change, &BY, &dry].concat()).await;
        assert_eq!((code, &done["done"], &done["dry_run"]), (0, &json!(false), &json!(true)));
    }
    let seen = seen(&store.engine, "7").await.expect("it is there");
    assert_eq!(seen.state(), idempotent_core::store::State::Indeterminate);
    assert!(!log.exists());
}

/// The record is another one by the time the command acts: another call has it.
async fn a_record_that_has_changed_since_is_left_alone(store: TestStore) {
    let before = lost(&store.engine, "7").await;
    let token = before.token().to_string();
    store
        .engine
        .resolve(&before, Resolution::never_happened_and_owner_is_dead())
        .await
        .expect("vacant");
    let successor = begin(&store.engine, "7").await;
    for change in [&["resolve", "--happened", "\"x\""][..], &["release"], &["purge"]] {
        let arguments = [&on_seven(change)[..], &["--seen", &token]].concat();
        let (refused, code) = one(&store.url, &arguments).await;
        assert_eq!((code, &refused["code"]), (4, &json!("refused")), "{change:?}");
    }
    successor.complete(&Ok("receipt".to_owned())).await;
    assert_eq!(charge(&store.engine, "7", "never").await.expect("it replays"), "receipt");
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_before_anything_is_changed() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    for wrong in ["7", "{}", "null", "not json"] {
        let (refused, code) = one(&store.url, &on_seven(&["resolve", "--happened", wrong])).await;
        assert_eq!((code, &refused["code"]), (2, &json!("usage")), "{wrong}");
    }
    let (refused, code) =
        one(&store.url, &on_seven(&["resolve", "--failed", "\"declined\""])).await;
    assert_eq!((code, &refused["code"]), (2, &json!("usage")), "errors are not memoized");
    assert!(charge(&store.engine, "7", "x").await.is_err());
}

#[tokio::test]
async fn a_result_comes_from_a_file_or_from_stdin_too() {
    let store = TestStore::sqlite().await;
    let file = store.file("receipt.json");
    std::fs::write(&file, "\"receipt 7\"\n").expect("it is written");
    lost(&store.engine, "7").await;
    let from = format!("@{}", file.display());
    assert_eq!(run(&store.url, &on_seven(&["resolve", "--happened", &from])).await.code, 0);
    let mut correct = command(&on_seven(&["--json", "correct", "--happened", "@-"]));
    correct.env("IDEMPOTENT_STORE", &store.url);
    correct.stdin(std::fs::File::open(&file).expect("it is there"));
    let ran = read(correct.output().await.expect("it starts"));
    assert_eq!((ran.code, documents(&ran).len()), (0, 1), "{}", ran.stderr);
    assert_eq!(charge(&store.engine, "7", "never").await.expect("it replays"), "receipt 7");
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_could_answer() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let without_yes = [&["purge"], &BY[..]].concat();
    let (declined, code) = one(&store.url, &without_yes).await;
    assert_eq!((code, &declined["code"]), (6, &json!("declined")));
    let without_reason = [&["purge", "--yes"], &BY[..]].concat();
    let (usage, code) = one(&store.url, &without_reason).await;
    assert_eq!((code, &usage["code"]), (2, &json!("usage")));
    assert!(seen(&store.engine, "7").await.is_some());
}

#[tokio::test]
async fn nothing_is_changed_if_the_audit_line_cannot_be_written() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let log = store.folder.path().to_str().expect("UTF-8");
    let arguments = [&on_seven(&["purge"])[..], &["--audit-log", log]].concat();
    let (failed, code) = one(&store.url, &arguments).await;
    assert_eq!((code, &failed["code"]), (1, &json!("failed")));
    assert!(seen(&store.engine, "7").await.is_some());
}

#[tokio::test]
async fn every_change_is_in_the_log_too() {
    let store = TestStore::sqlite().await;
    quote(&store.engine, "basket 9").await;
    let by = ["purge", "--operation", "shop.quote", "--key", "basket 9"];
    let ran = run(&store.url, &[&by[..], &YES].concat()).await;
    assert!(
        ran.stderr.contains("purge begins") && ran.stderr.contains("ticket 42"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("purge ends") && ran.stderr.contains("done"), "{}", ran.stderr);
}

#[tokio::test]
async fn the_result_is_in_the_audit_line_if_that_is_wanted() {
    let store = TestStore::sqlite().await;
    let log = store.file("audit.jsonl");
    let path = log.display().to_string();
    for (key, option) in [("7", None), ("8", Some("--audit-results"))] {
        let id = lost(&store.engine, key).await.id().to_string();
        let mut resolve = vec!["resolve", &id, "--happened", "\"receipt\"", "--audit-log", &path];
        resolve.extend(["--yes", "--reason", "ticket 42"]);
        resolve.extend(option);
        assert_eq!(one(&store.url, &resolve).await.1, 0);
    }
    let lines = audit(&log);
    assert_eq!((lines.len(), lines[0].get("result")), (4, None));
    assert_eq!(lines[2]["result"]["value"], json!("receipt"));
}

#[tokio::test]
async fn a_change_that_no_audit_log_keeps_is_warned_of_and_one_that_it_keeps_is_quiet() {
    let store = TestStore::sqlite().await;
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    quote(&store.engine, "basket 9").await;
    let by = ["purge", "--operation", "shop.quote", "--key", "basket 9"];
    let quiet = run(&store.url, &[&by[..], &YES, &log_option].concat()).await;
    assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""));
    quote(&store.engine, "basket 9").await;
    let verbose = run(&store.url, &[&by[..], &YES, &log_option, &["-v"]].concat()).await;
    assert!(verbose.stderr.contains("purge begins"), "{}", verbose.stderr);
    quote(&store.engine, "basket 9").await;
    let warned = run(&store.url, &[&by[..], &YES].concat()).await;
    assert!(warned.stderr.contains("no audit log is set"), "{}", warned.stderr);
}

#[tokio::test]
async fn a_token_that_is_none_is_a_mistake_and_another_one_says_what_the_record_is_now() {
    let store = TestStore::sqlite().await;
    let token = lost(&store.engine, "7").await.token().to_string();
    let by = on_seven(&["resolve", "--happened", "\"x\"", "--seen"]);
    let seen = async |token: &str| {
        let (change, rest) = by.split_at(4);
        run(&store.url, &[change, &[token], rest].concat()).await
    };
    let none = seen("zz").await;
    assert!(none.code == 2 && none.stderr.contains("32 hex digits"), "{}", none.stderr);
    let other = seen("01230123012301230123012301230123").await;
    let says = format!("is now indeterminate, with the token {token}");
    assert!(other.code == 4 && other.stderr.contains(&says), "{}", other.stderr);
}
