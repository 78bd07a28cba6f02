//! `purge --all` of many records: several at once, and what is said of those that were removed before it failed.

use std::time::Duration;

use idempotent_servers::{Reply, Server, require};

use crate::run::{assert_runs, audit, command, documents, read, run};
use crate::shop::{fill, lost, quotes};
use crate::stores::{TestServer, TestStore, on_every_store};
use crate::terminal::typed;

const PURGE: [&str; 7] =
    ["purge", "--all", "--operation", "shop.quote", "--yes", "--reason", "ticket 42"];

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
    let mut purge = command(&["--json", "--timeout", "1s", "--audit-log"]);
    purge.arg(&log).args(PURGE).env("IDEMPOTENT_STORE", &store.url);
    let mut child = purge.spawn().expect("it starts");
    while redis.cli(&["DBSIZE"]).await == Reply::Int(400) {
        assert_runs(&mut child);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    redis.kill();
    let ran = read(child.wait_with_output().await.expect("it ends"));
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let error = documents(&ran).pop().expect("an error");
    let says = error["message"].as_str().expect("a message");
    assert!(says.ends_with(" of operation shop.quote removed before"), "{says}");
    let lines = audit(&log);
    let outcome = lines[1]["outcome"].as_str().expect("an outcome");
    assert!(outcome.starts_with("failed: ") && outcome.ends_with(" removed"), "{outcome}");
    assert!(!outcome.contains(": 0 records"), "{outcome}");
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
