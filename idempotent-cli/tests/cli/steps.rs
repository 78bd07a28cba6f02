//! `show` and `resolve-step`: the journal of a call of several effects, and what its steps turned out to be.

use std::future::pending;
use std::time::Duration;

use idempotent_core::engine::with_engine;
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, step};
use idempotent_servers::{Server, require};
use serde_json::json;

use crate::run::{Ran, audit, command, one, read, run};
use crate::shop::{Failure, checkout, hanging_checkout, import, in_doubt, parked};
use crate::stores::{TestServer, TestStore, on_every_store};

/// A token of no record.
const OTHER: &str = "01230123012301230123012301230123";

/// A call that is dropped in its second step.
async fn interrupted(engine: &Idempotency) {
    let checkout = Operation::new("shop.checkout").lease(Duration::from_secs(600));
    let call = checkout.key("order 7").engine(engine).returning::<Result<u32, Error>>();
    let begun = tokio::sync::Notify::new();
    let run = call.run(|| async {
        step("reserve-stock", || async { Ok::<u32, Error>(3) }).await?;
        let charge = || async {
            begun.notify_one();
            pending::<Result<u32, Error>>().await
        };
        step("charge", charge).await
    });
    let hangs = async {
        begun.notified().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        ended = run => panic!("it hangs: {ended:?}"),
        () = hangs => {}
    }
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
    what_was_said_of_a_step_is_corrected,
    a_parked_call_is_resumed_by_what_show_prints,
    a_parked_call_has_the_guarantee_of_its_operation_also_once_it_is_resolved,
    a_step_in_doubt_of_a_suspended_call_is_listed_and_watched,
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
    let (refused, code) = one(&store.url, &[&never[..], &["--seen", OTHER]].concat()).await;
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

/// What it did beside its step nobody knows.
#[tokio::test]
async fn a_call_that_is_itself_in_doubt_does_not_go_on_with_its_last_step() {
    let store = TestStore::sqlite().await;
    let strict = Operation::new("shop.strict").guarantee(Guarantee::AtMostOnce).key("order 7");
    let strict = strict.engine(&store.engine).returning::<Result<u32, Failure>>();
    let doubtful = strict.run(|| async {
        let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
        let charge = charge.returning::<Result<u32, Failure>>().on_error(|_| Disposition::Unknown);
        charge.run(|| async { Err(Failure::TimedOut) }).await
    });
    doubtful.await.expect_err("nobody knows");
    let by = ["--operation", "shop.strict", "--key", "order 7"];
    let say = ["--step", "charge", "--happened", "5"];
    let ran = run(&store.url, &[&["resolve-step"], &by[..], &say, &YES].concat()).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("`idempotent resolve` says what became of it"), "{}", ran.stdout);
    let ran = run(&store.url, &[&["resume"], &by[..], &YES].concat()).await;
    let says = "nobody knows what the call did beside its steps";
    assert!(ran.code == 4 && ran.stderr.contains(says), "{}{}", ran.stdout, ran.stderr);
}

/// As by a server that evicts keys.
#[tokio::test]
async fn a_call_whose_journal_is_lost_is_listed_and_shown_as_such() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    let call = Operation::new("shop.checkout").key("order 7").engine(&store.engine);
    let suspended = call.returning::<Result<u32, Failure>>().run(|| async {
        step("hold", || async { Ok::<u32, Failure>(3) }).await?;
        Err(Failure::TimedOut)
    });
    suspended.await.expect_err("it failed");
    let listed = async || run(&store.url, &["list", "--in-doubt"]).await.stdout;
    assert!(!listed().await.contains("order 7"));
    let TestServer::Redis(server) = &store.server else { panic!("it is on Redis") };
    let evict = "return redis.call('DEL', redis.call('KEYS', 'idem:shop.checkout:*}')[1])";
    assert_eq!(server.cli(&["EVAL", evict, "0"]).await.to_string(), "1");
    let all = listed().await;
    assert!(all.contains("order 7"), "{all}");
    let shown = run(&store.url, &[&["show"], &BY[..]].concat()).await;
    assert!(shown.stdout.contains("its journal is lost"), "{}", shown.stdout);
}

async fn what_was_said_of_a_step_is_corrected(store: TestStore) {
    checkout(&store.engine, false).await.expect_err("nobody knows");
    let say = |command, arguments: &[&'static str]| {
        [&[command], &BY[..], &["--step", "charge/card 9"], arguments, &YES].concat()
    };
    let (refused, code) = one(&store.url, &say("correct-step", &["--happened", "5"])).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")), "nothing was said yet");
    let ran = run(&store.url, &say("resolve-step", &["--happened", "\"receipt 7\""])).await;
    assert!(ran.code == 2 && ran.stderr.contains("the step returns a `u32`"), "{}", ran.stderr);
    let (_, code) = one(&store.url, &say("resolve-step", &["--never-happened"])).await;
    assert_eq!(code, 0);
    let again = run(&store.url, &say("resolve-step", &["--happened", "5"])).await;
    assert!(
        again.code == 4 && again.stderr.contains("idempotent correct-step"),
        "{}",
        again.stderr
    );
    let (done, code) = one(&store.url, &say("correct-step", &["--happened", "5"])).await;
    assert_eq!((code, &done["done"], &done["command"]), (0, &json!(true), &json!("correct-step")));
    assert_eq!(checkout(&store.engine, true).await.expect("it goes on"), 5, "it was not run again");
}

async fn a_parked_call_is_resumed_by_what_show_prints(store: TestStore) {
    let parked = parked(&store.engine).await;
    let id = parked.id().to_string();
    let log = store.file("audit.jsonl");
    let log_option = ["--audit-log", log.to_str().expect("UTF-8")];
    let resume = [&["resume", &id], &YES[..], &log_option].concat();
    let (refused, code) = one(&store.url, &[&resume[..], &["--seen", OTHER]].concat()).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")));
    let (dry, code) = one(&store.url, &[&resume[..], &["--dry-run"]].concat()).await;
    assert_eq!((code, &dry["done"], &dry["dry_run"]), (0, &json!(false), &json!(true)));
    assert!(!log.exists(), "nothing was changed so far");
    let retry =
        with_engine(store.engine.clone(), import(7, false)).await.expect_err("it is parked");
    assert!(retry.to_string().contains("it is parked"), "{retry}");

    let (done, code) = one(&store.url, &resume).await;
    assert_eq!((code, &done["done"], &done["command"]), (0, &json!(true), &json!("resume")));
    assert_eq!(
        (&done["before"]["state"], &done["after"]["state"]),
        (&json!("indeterminate"), &json!("suspended"))
    );
    let lines = audit(&log);
    assert_eq!((lines.len(), &lines[0]["command"]), (2, &json!("resume")));
    let done = with_engine(store.engine.clone(), import(7, false)).await;
    assert_eq!(done.expect("it goes on"), 7);
    let (refused, code) = one(&store.url, &resume).await;
    assert_eq!((code, &refused["code"]), (4, &json!("refused")), "it is completed");
}

async fn a_parked_call_has_the_guarantee_of_its_operation_also_once_it_is_resolved(
    store: TestStore,
) {
    let id = parked(&store.engine).await.id().to_string();
    let resolve = [&["resolve", &id, "--happened", "7"], &YES[..]].concat();
    let (done, code) = one(&store.url, &resolve).await;
    assert_eq!((code, &done["done"]), (0, &json!(true)));
    let (before, after) = (&done["before"], &done["after"]);
    assert_eq!(before["guarantee"], json!("at_least_once"));
    assert_eq!(after["guarantee"], json!("at_least_once"));
    assert_eq!((&after["state"], &after["owner"]), (&json!("completed"), &json!("none")));
}

async fn a_step_in_doubt_of_a_suspended_call_is_listed_and_watched(store: TestStore) {
    let dies = in_the_charge(&store).await;
    let (found, code) = one(&store.url, &["list", "--in-doubt"]).await;
    assert_eq!((code, &found["id"], &found["state"]), (0, &json!(dies), &json!("suspended")));
    let none = run(&store.url, &["list", "--state", "indeterminate"]).await;
    assert!(none.stdout.is_empty(), "{}", none.stdout);
    let (look, code) = one(&store.url, &["watch", "--looks", "1"]).await;
    assert_eq!((code, &look["in_doubt"], &look["states"]["suspended"]), (0, &json!(1), &json!(1)));
    let line = run(&store.url, &["watch", "--looks", "1"]).await.stdout;
    assert!(line.contains("  in doubt 1"), "{line}");
    let (stats, _) = one(&store.url, &["stats", "--in-doubt"]).await;
    assert_eq!(stats["records"], json!(1));
    // It is settled before anybody has resumed the call.
    let ran = run(&store.url, &resolve_step(&["--step", "charge/card 9", "--happened", "5"])).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(run(&store.url, &["list", "--in-doubt"]).await.stdout, "");
    assert_eq!(checkout(&store.engine, true).await.expect("it goes on"), 5);
}

/// A call that hangs while it charges and that an operator has released, whose owner is thought to be dead; its id.
async fn in_the_charge(store: &TestStore) -> String {
    let (owner, engine) = (store.engine.clone(), &store.engine);
    let id = engine.record_id("shop.checkout", None, "order 7").expect("an id");
    tokio::spawn(async move { hanging_checkout(&owner).await });
    let seen = loop {
        let seen = engine.inspect(&id).await.expect("the store answers");
        match seen.filter(|seen| seen.steps().len() == 2) {
            Some(seen) => break seen,
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    engine.release(&seen).await.expect("it is released");
    id.to_string()
}
