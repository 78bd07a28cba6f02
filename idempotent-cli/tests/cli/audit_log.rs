//! The audit log when it cannot be written: what is said, what was changed, and what an auditor still reads.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use idempotent_core::store::State;
use idempotent_servers::{Server, require};
use serde_json::json;
use tokio::process::Command;

use crate::run::{Ran, audit, command, documents, one, read, run};
use crate::shop::{lost, seen};
use crate::stores::TestStore;
use crate::terminal::typed;

const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];

fn resolve<'a>(id: &'a str, log: &'a str) -> Vec<&'a str> {
    [&["resolve", id, "--happened", "\"receipt\"", "--audit-log", log][..], &YES].concat()
}

/// Runs the command on a disk that takes so many bytes of a file.
async fn run_with_room(url: &str, arguments: &[&str], bytes: u64) -> Ran {
    let mut small = Command::new("/usr/bin/env");
    small.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nowhere").env("USER", "ada");
    small.env("IDEMPOTENT_STORE", url).stdin(Stdio::null()).kill_on_drop(true);
    // Beyond the limit a write fails, as on a full disk, once the signal is ignored.
    small.args(["--ignore-signal=XFSZ", "prlimit", &format!("--fsize={bytes}")]);
    small.arg(env!("CARGO_BIN_EXE_idempotent")).args(arguments);
    read(small.output().await.expect("coreutils and util-linux are here"))
}

/// What an auditor reads with the program of the page *Runbook*: the id of the record and the outcome of each change.
async fn changes_by_the_runbook(log: &Path) -> Vec<(String, String)> {
    let page = include_str!("../../../idempotent-core/src/guide/runbook.md");
    let (_, rest) = page.split_once("jq -nRr '").expect("the page has it");
    let (program, _) = rest.split_once("' /var/log").expect("the page has it");
    let all = program
        .replace("    | select((.subject // \"\") | startswith(\"shop.charge:5c83260f\"))\n", "");
    assert_ne!(all, program, "the page selects a record");
    let told = Command::new("jq").args(["-nRr", &all]).arg(log).output().await;
    let told = read(told.expect("jq is here"));
    assert_eq!(told.code, 0, "{}", told.stderr);
    let rows = told.stdout.lines().map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        (cells[4].to_owned(), cells[cells.len() - 1].to_owned())
    });
    rows.collect()
}

#[tokio::test]
async fn a_change_whose_end_finds_the_disk_full_says_that_it_was_made_and_spoils_no_other_line() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    let log = store.file("audit.jsonl");
    let path = log.to_str().expect("UTF-8");
    let mut ids = Vec::new();
    for key in ["6", "7", "8"] {
        ids.push(lost(&store.engine, key).await.id().to_string());
    }
    assert_eq!(run(&store.url, &resolve(&ids[0], path)).await.code, 0);
    let text = fs::read_to_string(&log).expect("there is one");
    let (begin, end) = text.split_once('\n').expect("two lines");
    // The other change's lines are as long, but for a few digits.
    let room = text.len() + begin.len() + end.len() / 2;

    let arguments = [&["--json"][..], &resolve(&ids[1], path)].concat();
    let ran = run_with_room(&store.url, &arguments, room as u64).await;
    let error = documents(&ran).pop().expect("an error");
    assert_eq!((ran.code, &error["code"], &error["exit"]), (9, &json!("changed"), &json!(9)));
    let says = error["message"].as_str().expect("a message");
    assert!(
        says.starts_with("the change was made (done), but the audit log has change "),
        "{says}"
    );
    assert!(says.contains("without its end") && says.contains(path), "{says}");
    let now = seen(&store.engine, "7").await.expect("it is there");
    assert_eq!(now.state(), State::Completed);
    let torn = fs::read_to_string(&log).expect("there is one");
    assert!(torn.lines().count() == 4 && !torn.ends_with('\n'), "{torn}");

    let next = run(&store.url, &resolve(&ids[2], path)).await;
    assert_eq!(next.code, 0, "{}", next.stderr);
    assert!(next.stderr.contains("the last line of the audit log"), "{}", next.stderr);
    let outcomes = ["done", "unknown", "done"].map(str::to_owned);
    let expected: Vec<_> = ids.into_iter().zip(outcomes).collect();
    assert_eq!(changes_by_the_runbook(&log).await, expected);
}

#[tokio::test]
async fn a_change_whose_beginning_finds_the_disk_full_says_that_nothing_was_changed() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let ran = run(&store.url, &resolve(&id, "/dev/full")).await;
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("/dev/full cannot be written: No space left"), "{}", ran.stderr);
    assert!(ran.stderr.contains("; nothing was changed"), "{}", ran.stderr);
    let now = seen(&store.engine, "7").await.expect("it is there");
    assert_eq!(now.state(), State::Indeterminate);
}

#[tokio::test]
async fn a_log_whose_folder_is_missing_is_found_before_the_question() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let log = store.file("missing/audit.jsonl");
    let folder = format!("there is no folder {}", store.file("missing").display());
    let purge = format!("--audit-log {} purge {id}", log.display());
    let asked = typed(&store, &purge, "y\nticket 42\n", &[("COLUMNS", "500")]).await;
    assert_eq!(asked.code, 1, "{}", asked.stdout);
    assert!(asked.stdout.contains(&folder), "{}", asked.stdout);
    assert!(asked.stdout.contains("; nothing was changed"), "{}", asked.stdout);
    assert!(!asked.stdout.contains("[y/N]"), "{}", asked.stdout);

    let all = purge.replace(&id, "--all --operation shop.charge --state indeterminate");
    let asked = typed(&store, &all, "1\nticket 42\n", &[("COLUMNS", "500")]).await;
    assert!(asked.code == 1 && asked.stdout.contains(&folder), "{}", asked.stdout);
    assert!(!asked.stdout.contains("type 1 to go on"), "{}", asked.stdout);

    let words: Vec<_> = purge.split(' ').chain(["--dry-run"]).collect();
    let dry = run(&store.url, &words).await;
    assert!(dry.code == 0 && dry.stderr.contains(&folder), "{}", dry.stderr);
    assert!(!log.exists() && seen(&store.engine, "7").await.is_some());
    fs::create_dir(store.file("missing")).expect("it is made");
    let dry = run(&store.url, &words).await;
    assert_eq!((dry.code, dry.stderr.as_str(), log.exists()), (0, "", false));
}

#[tokio::test]
async fn that_no_audit_log_is_set_is_said_before_the_question() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let asked = typed(&store, &format!("purge {id}"), "n\n", &[]).await;
    let warned = asked.stdout.find("no audit log is set");
    let question = asked.stdout.find("[y/N]");
    assert!(warned.is_some() && warned < question, "{}", asked.stdout);
    let dry = run(&store.url, &["purge", &id, "--dry-run"]).await;
    assert!(dry.stderr.contains("no audit log is set"), "{}", dry.stderr);
}

#[tokio::test]
async fn a_change_that_cannot_be_said_was_made_all_the_same() {
    let store = TestStore::sqlite().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let log = store.file("audit.jsonl");
    let full = async |arguments: &[&str]| {
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let mut command = command(arguments);
        // `output` would have a pipe instead.
        let child = command.env("IDEMPOTENT_STORE", &store.url).stdout(full).spawn();
        read(child.expect("it starts").wait_with_output().await.expect("it ends"))
    };
    let listed = full(&["list"]).await;
    assert!(listed.code == 1 && listed.stderr.contains("the output cannot be written"));
    let changed = full(&resolve(&id, log.to_str().expect("UTF-8"))).await;
    assert_eq!(changed.code, 9, "{}", changed.stderr);
    let says = "the change was made, but then the output cannot be written";
    assert!(changed.stderr.contains(says), "{}", changed.stderr);
    assert_eq!(audit(&log)[1]["outcome"], json!("done"));
    let now = seen(&store.engine, "7").await.expect("it is there");
    assert_eq!(now.state(), State::Completed);
}

#[tokio::test]
async fn what_became_of_a_change_that_the_store_does_not_answer_is_unknown() {
    require!(Server::Postgres);
    let store = TestStore::postgres().await;
    let id = lost(&store.engine, "7").await.id().to_string();
    let log = store.file("audit.jsonl");
    let pool = sqlx::PgPool::connect(&store.url).await.expect("it connects");
    let mut held = pool.begin().await.expect("it begins");
    let lock = sqlx::query("SELECT id FROM idempotent.records FOR UPDATE");
    assert_eq!(lock.fetch_all(&mut *held).await.expect("it locks").len(), 1);
    let arguments = resolve(&id, log.to_str().expect("UTF-8"));
    let (error, code) = one(&store.url, &[&["--timeout", "5s"], &arguments[..]].concat()).await;
    held.rollback().await.expect("it ends");
    let says = error["message"].as_str().expect("a message");
    assert!(says.ends_with("nobody knows whether the change was made: look before you try again"));
    let lines = audit(&log);
    let outcome = lines[1]["outcome"].as_str().expect("an outcome");
    assert!(code == 5 && outcome.starts_with("unknown: "), "{code}: {outcome}");
    let place = lines[0]["store"].as_str().expect("a text");
    assert!(place.ends_with(", schema idempotent, table records"), "{place}");
}
