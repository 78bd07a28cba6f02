//! `purge --all` of many records: several at once, and what is said of those that were removed before it failed.

use std::time::Duration;

use idempotent_servers::{Reply, Server, TcpProxy, require};

use crate::run::{assert_runs, audit, command, documents, read, run};
use crate::shop::{begin, fill, lost, quotes, seen};
use crate::stores::{TestServer, TestStore, on_every_store};
use crate::terminal::{typed, typed_after};

const PURGE: [&str; 9] = [
    "purge",
    "--all",
    "--operation",
    "shop.quote",
    "--expect",
    "400",
    "--yes",
    "--reason",
    "ticket 42",
];

async fn all_records_of_an_operation_are_removed_at_either_pace_and_no_other(store: TestStore) {
    let _running = fill(&store.engine).await;
    for pace in [&[][..], &["--fast"]] {
        quotes(&store.engine, 150).await;
        let ran = run(&store.url, &[&PURGE[..], pace].concat()).await;
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stdout, "150 records of operation shop.quote removed\n");
        let left = run(&store.url, &["list", "--operation", "shop.quote"]).await;
        assert!(left.stdout.is_empty(), "{}", left.stdout);
    }
    assert_eq!(run(&store.url, &["list"]).await.stdout.lines().count(), 4, "a header, and three");
}

on_every_store! { all_records_of_an_operation_are_removed_at_either_pace_and_no_other }

#[tokio::test]
async fn a_purge_whose_store_fails_says_how_many_it_has_removed() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    let TestServer::Redis(redis) = &store.server else { panic!("it is Redis") };
    quotes(&store.engine, 400).await;
    let log = store.file("audit.jsonl");
    let proxy = TcpProxy::start(redis.address()).await;
    // So that this test comes in between.
    proxy.delay_replies(Duration::from_millis(50));
    let mut purge = command(&["--json", "--timeout", "1s", "--audit-log"]);
    purge.arg(&log).args(PURGE).env("IDEMPOTENT_STORE", proxy.redis_url());
    let mut child = purge.spawn().expect("it starts");
    while redis.cli(&["DBSIZE"]).await == Reply::Int(400) {
        assert_runs(&mut child);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // It dies with a removal that it has not answered.
    proxy.refuse();
    proxy.drop_next_reply_to("EVALSHA");
    let ran = read(child.wait_with_output().await.expect("it ends"));
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let error = documents(&ran).pop().expect("an error");
    let says = error["message"].as_str().expect("a message");
    assert!(
        says.contains(" of operation shop.quote removed before, and nobody knows of "),
        "{says}"
    );
    let lines = audit(&log);
    let outcome = lines[lines.len() - 1]["outcome"].as_str().expect("an outcome");
    assert!(outcome.starts_with("unknown of ") && outcome.ends_with(" removed"), "{outcome}");
    assert!(!outcome.contains(": 0 records"), "{outcome}");
}

#[tokio::test]
async fn a_purge_of_many_leaves_calls_that_may_run_to_whoever_knows_that_they_do_not() {
    let store = TestStore::sqlite().await;
    let log = store.file("audit.jsonl");
    let running = begin(&store.engine, "7").await;
    let audit_log = ["--audit-log", log.to_str().expect("UTF-8")];
    let purge = ["purge", "--all", "--operation", "shop.charge", "--state", "reserved,completed"];
    let yes = ["--yes", "--reason", "r", "--expect", "1"];
    for how in [&yes[..], &["--dry-run"]] {
        let refused = run(&store.url, &[&purge[..], how].concat()).await;
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("--although-it-runs"), "{}", refused.stderr);
    }
    assert!(seen(&store.engine, "7").await.is_some());
    let although = [&purge[..], &yes, &audit_log, &["--although-it-runs"]].concat();
    let done = run(&store.url, &although).await;
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(seen(&store.engine, "7").await.is_none());
    let owner = audit(&log)[0]["owner"].to_string();
    assert!(owner.contains("nobody looked"), "{owner}");
    drop(running);
}

#[tokio::test]
async fn counts_are_on_the_terminal_and_not_behind_a_pipe_whose_reader_may_have_the_screen() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let purge = "purge --all --operation shop.charge --state indeterminate --dry-run";
    for (what, says) in [("stats", "1 records counted"), (purge, "1 to remove")] {
        let shown = typed(&store, what, "", &[]).await;
        assert!(shown.stdout.contains(says), "{}", shown.stdout);
        let piped = typed(&store, &format!("{what} | cat"), "", &[]).await;
        assert!(piped.code == 0 && !piped.stdout.contains(says), "{}", piped.stdout);
    }
}

#[tokio::test]
async fn a_purge_of_many_says_what_it_removes_and_wants_the_count_for_a_yes() {
    let store = TestStore::sqlite().await;
    let _running = fill(&store.engine).await;
    quotes(&store.engine, 20).await;
    let purge = "purge --all --operation shop.quote";
    for wrong in ["y\n", "yes\n", "21\n"] {
        let shown = typed(&store, purge, wrong, &[]).await;
        assert_eq!(shown.code, 6, "{}", shown.stdout);
        for says in ["20 completed: their effects have happened", "the newest is", "keys such as"] {
            assert!(shown.stdout.contains(says), "{says}: {}", shown.stdout);
        }
        assert!(shown.stdout.contains("type 20 to go on"), "{}", shown.stdout);
    }
    let log = store.file("audit.jsonl");
    let purge = format!("--audit-log {} {purge}", log.display());
    let done = typed(&store, &purge, "20\nticket 42\n", &[]).await;
    assert_eq!(done.code, 0, "{}", done.stdout);
    let lines = audit(&log);
    let ids = lines.iter().filter_map(|line| line["ids"].as_array()).flatten();
    let ids: std::collections::BTreeSet<_> = ids.filter_map(|id| id.as_str()).collect();
    assert_eq!(ids.len(), 20, "{lines:#?}");
    assert!(ids.iter().all(|id| id.starts_with("shop.quote:")), "{ids:?}");
}

#[tokio::test]
async fn records_that_come_while_a_purge_of_many_asks_stay_beyond_the_count() {
    let store = TestStore::sqlite().await;
    quotes(&store.engine, 5).await;
    let purge = (&store, "purge --all --operation shop.quote");
    let others = quotes(&store.engine, 8);
    let (code, shown) = typed_after(purge, "type 5 to go on", others, "5\nticket 42\n").await;
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("5 records of operation shop.quote removed before"), "{shown}");
    assert_eq!(run(&store.url, &["list"]).await.stdout.lines().count(), 4, "a header, and three");
}

#[tokio::test]
async fn a_purge_of_many_that_does_not_ask_removes_no_more_than_was_expected() {
    let store = TestStore::sqlite().await;
    quotes(&store.engine, 5).await;
    let purge = ["purge", "--all", "--operation", "shop.quote", "--yes", "--reason", "r"];
    let without = run(&store.url, &purge).await;
    assert!(without.code == 2 && without.stderr.contains("--expect COUNT"), "{}", without.stderr);
    let fewer = run(&store.url, &[&purge[..], &["--expect", "4"]].concat()).await;
    assert!(fewer.code == 4 && fewer.stderr.contains("5 records"), "{}", fewer.stderr);
    assert_eq!(run(&store.url, &["list"]).await.stdout.lines().count(), 6, "a header, and five");
    let typo = run(&store.url, &["purge", "--all", "--operation", "shop.quoet", "--dry-run"]).await;
    assert!(typo.stdout.contains("is it --operation shop.quote?"), "{}", typo.stdout);
    let as_many = run(&store.url, &[&purge[..], &["--expect", "5"]].concat()).await;
    assert_eq!(as_many.code, 0, "{}", as_many.stderr);
}
