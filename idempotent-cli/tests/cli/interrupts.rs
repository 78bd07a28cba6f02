//! Ctrl-C in the middle of a scan: the exit code, and what is printed of what was not read to its end.

use std::time::Duration;

use idempotent_servers::{Server, TcpProxy, require};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::run::{Ran, command, documents, read};
use crate::shop::quotes;
use crate::stores::{TestServer, TestStore};

const RECORDS: u64 = 600;

async fn filled() -> TestStore {
    let store = TestStore::redis().await;
    quotes(&store.engine, RECORDS).await;
    store
}

/// Runs a command that reads seven pages, slowly, and presses Ctrl-C once it has asked so often.
async fn interrupted(store: &TestStore, arguments: &[&str], scans: u64) -> Ran {
    let TestServer::Redis(redis) = &store.server else { panic!("it is Redis") };
    let proxy = TcpProxy::start(redis.address()).await;
    proxy.delay_replies(Duration::from_millis(200));
    let mut command = command(arguments);
    command.env("IDEMPOTENT_STORE", proxy.redis_url());
    let child = command.spawn().expect("it starts");
    proxy.wait_for(|counts| counts.commands_of("SCAN") >= scans).await;
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    read(child.wait_with_output().await.expect("it ends"))
}

/// The error, which is the last document, and those before it.
fn split(ran: &Ran) -> (Vec<Value>, Value) {
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stdout.is_empty() || ran.stdout.ends_with('\n'), "half a line: {}", ran.stdout);
    let mut documents = documents(ran);
    let error = documents.pop().expect("an error");
    assert_eq!((&error["kind"], &error["exit"]), (&json!("error"), &json!(130)));
    (documents, error)
}

#[tokio::test]
async fn ctrl_c_ends_a_scan_with_whole_documents_that_say_it_is_not_complete() {
    require!(Server::Redis);
    let store = filled().await;
    let count = ["--json", "purge", "--all", "--operation", "shop.quote", "--dry-run"];
    let new = TestStore::sqlite().await;
    let moving = ["--json", "move", "--to", &new.url, "--dry-run"];
    let (stats, list, counted, moved, told) = tokio::join!(
        interrupted(&store, &["--json", "stats"], 3),
        interrupted(&store, &["--json", "list"], 3),
        interrupted(&store, &count, 3),
        // It loads each record once more, and ends after the page.
        interrupted(&store, &moving, 1),
        interrupted(&store, &["stats"], 3),
    );
    let (documents, _) = split(&stats);
    let read = documents[0]["records"].as_u64().expect("a number");
    assert_eq!((documents.len(), &documents[0]["complete"]), (1, &json!(false)));
    assert!((1..RECORDS).contains(&read), "{read}");

    let (documents, error) = split(&list);
    let listed = documents.len() as u64;
    assert!((1..RECORDS).contains(&listed), "{listed}");
    assert_eq!(error["message"], json!(format!("interrupted after {listed} records")));

    // Nothing was removed, and how much there is nobody knows yet.
    assert_eq!(split(&counted).0, [] as [Value; 0]);

    let (documents, _) = split(&moved);
    assert_eq!((documents.len(), &documents[0]["complete"]), (1, &json!(false)));

    assert_eq!(told.code, 130);
    assert!(told.stderr.contains("interrupted"), "{}", told.stderr);
}
