//! `show` and `resolve-step`: the journal of a call of several effects, and what its steps turned out to be.

use std::future::pending;
use std::time::Duration;

use idempotent_core::{Error, Idempotency, Operation, step};
use serde_json::json;

use crate::run::{Ran, audit, command, one, read, run};
use crate::shop::{checkout, in_doubt};
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
    // As `list` prints it on a terminal.
    let (_, hash) = document["id"].as_str().and_then(|id| id.rsplit_once(':')).expect("an id");
    let (short, _) = one(&store.url, &["show", &hash[..12]]).await;
    assert_eq!(short["journal"], document["journal"]);
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

on_every_store! {
    a_call_is_shown_with_its_steps,
    a_step_in_doubt_is_resolved_by_what_show_prints,
    a_step_that_never_happened_runs_again,
}

const BY: [&str; 4] = ["--operation", "shop.checkout", "--key", "order 7"];
const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];

fn resolve_step<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["resolve-step"], &BY[..], arguments, &YES].concat()
}

/// Runs what is printed to be typed, as a shell does.
async fn type_into_a_shell(store: &TestStore, command: &str) -> Ran {
    let program = env!("CARGO_BIN_EXE_idempotent");
    let typed = format!("idempotent() {{ {program} \"$@\" --yes --reason r; }}\n{command}");
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &typed]).env("IDEMPOTENT_STORE", &store.url);
    read(shell.output().await.expect("it starts"))
}

async fn a_step_in_doubt_is_resolved_by_what_show_prints(store: TestStore) {
    checkout(&store.engine, false).await.expect_err("nobody knows");
    let shown = run(&store.url, &[&["show"], &BY[..]].concat()).await.stdout;
    let commands: Vec<_> = shown.split("  idempotent resolve-step").skip(1).collect();
    let [happened, never] = commands[..] else { panic!("{shown}") };
    // As the last error spells it.
    assert!(shown.contains("last error   step `charge[card 9]`: "), "{shown}");
    assert!(happened.contains("--step 'charge[card 9]'"), "{shown}");
    assert!(never.trim_end().ends_with("--never-happened"), "{shown}");
    let command = format!("idempotent resolve-step{}", happened.replace("JSON", "5"));
    let ran = type_into_a_shell(&store, &command).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("the next caller goes on with the call"), "{}", ran.stdout);
    assert_eq!(checkout(&store.engine, true).await.expect("it goes on"), 5, "it was not run again");
}

async fn a_step_that_never_happened_runs_again(store: TestStore) {
    checkout(&store.engine, false).await.expect_err("nobody knows");
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    let never = resolve_step(&["--step", "charge/card 9", "--never-happened"]);
    let (refused, code) = one(&store.url, &[&never[..], &["--seen", "0123"]].concat()).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")));
    let (dry, code) = one(&store.url, &[&never[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, &dry["done"], &dry["dry_run"]), (0, &json!(false), &json!(true)));
    for (step, expected) in
        [("charge", 3), ("card 9", 3), ("charge[card 8]", 3), ("hold", 4), ("0123abcd", 3)]
    {
        let arguments = resolve_step(&["--step", step, "--happened", "5"]);
        let (_, code) = one(&store.url, &arguments).await;
        assert_eq!(code, expected, "{step}");
    }
    assert!(!log.exists(), "nothing was changed so far");

    let (done, code) = one(&store.url, &[&never[..], &log_option].concat()).await;
    assert_eq!((code, &done["done"], &done["command"]), (0, &json!(true), &json!("resolve-step")));
    assert_eq!((&done["step"]["name"], &done["step"]["key"]), (&json!("charge"), &json!("card 9")));
    assert_eq!(
        (&done["before"]["state"], &done["after"]["state"]),
        (&json!("indeterminate"), &json!("suspended"))
    );
    let after = &done["after"];
    assert_eq!((&after["owner"], &after["resumed_by"]), (&json!("none"), &json!("next_caller")));
    let card = run(&store.url, &[&["show"], &BY[..]].concat()).await.stdout;
    assert!(card.contains("none: suspended, until its next caller resumes it"), "{card}");
    let lines = audit(&log);
    assert_eq!((lines.len(), &lines[0]["step"]), (2, &done["step"]));
    assert_eq!(lines[0]["said"], json!("never_happened_and_owner_is_dead"));
    assert_eq!((&lines[1]["outcome"], &lines[1]["change"]), (&json!("done"), &done["audit"]));
    let (again, code) = one(&store.url, &never).await;
    assert_eq!((code, &again["code"]), (4, &json!("refused")));
    assert_eq!(checkout(&store.engine, true).await.expect("it goes on"), 7, "it is run again");
}

#[tokio::test]
async fn a_dry_run_refuses_what_would_be_refused() {
    let store = TestStore::sqlite().await;
    in_doubt(&store.engine).await;
    let never = ["resolve", "--operation", "shop.refund", "--key", "order 7"];
    let never = [&never[..], &["--never-happened-and-owner-is-dead", "--dry-run"]].concat();
    let ran = run(&store.url, &never).await;
    let says = "nobody knows what step refund did: first say what became of it";
    assert!(ran.code == 4 && ran.stderr.contains(says), "{}{}", ran.stdout, ran.stderr);
}
