//! `move`: from one store to another.

use std::time::Duration;

use idempotent_core::Idempotency;
use idempotent_servers::{Redis, Reply, Server, require};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use crate::run::{assert_runs, audit, command, documents, json as all, one, read, run};
use crate::shop::{begin, charge, lost, quote};
use crate::stores::TestStore;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);

const YES: [&str; 3] = ["--yes", "--reason", "ticket 42"];

async fn moves(old: TestStore, new: TestStore) {
    for number in 0..250 {
        quote(&old.engine, &format!("basket {number}")).await;
    }
    charge(&old.engine, "8", "receipt 8").await.expect("it completes");
    lost(&old.engine, "7").await;
    let running = begin(&old.engine, "10").await;
    let moving = ["move", "--to", &new.url];
    let dry = one(&old.url, &[&moving[..], &["--dry-run"]].concat()).await;
    assert_eq!((dry.1, &dry.0["copied"], &dry.0["dry_run"]), (8, &json!(251), &json!(true)));
    let (listed, _) = all(&new.url, &["list"]).await;
    assert_eq!(listed.len(), 0, "a dry run copies nothing");

    let log = old.file("audit.jsonl");
    let path = log.display().to_string();
    let moved = [&moving[..], &YES, &["--audit-log", &path, "--fast"]].concat();
    let (document, code) = one(&old.url, &moved).await;
    assert_eq!((code, &document["copied"]), (8, &json!(251)), "{document}");
    let left = &document["left"];
    assert_eq!((&left["running"], &left["indeterminate"]), (&json!(1), &json!(1)), "{left}");
    let lines = audit(&log);
    assert_eq!((lines.len(), &lines[0]["command"]), (2, &json!("move")));
    assert!(lines[1]["outcome"].as_str().expect("an outcome").starts_with("done: 251 copied"));

    assert_eq!(charge(&new.engine, "8", "another").await.expect("it replays"), "receipt 8");
    let again = one(&old.url, &moved).await.0;
    assert_eq!((&again["copied"], &again["already_there"]), (&json!(0), &json!(251)));

    running.complete(&Ok("receipt 10".to_owned())).await;
    let by = ["--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "7"];
    let resolve = [&["resolve"], &by[..], &["--happened", "\"receipt 7\""], &YES].concat();
    assert_eq!(run(&old.url, &resolve).await.code, 0);
    let (document, code) = one(&old.url, &[&moved[..], &["--until-done"]].concat()).await;
    assert_eq!((code, &document["copied"]), (0, &json!(2)), "{document}");
    assert_eq!(charge(&new.engine, "7", "another").await.expect("it replays"), "receipt 7");
}

#[tokio::test]
async fn results_move_from_redis_to_postgres() {
    require!(Server::Redis);
    require!(Server::Postgres);
    moves(TestStore::redis().await, TestStore::postgres().await).await;
}

#[tokio::test]
async fn results_move_from_postgres_to_redis() {
    require!(Server::Redis);
    require!(Server::Postgres);
    moves(TestStore::postgres().await, TestStore::redis().await).await;
}

#[tokio::test]
async fn what_is_copied_and_left_is_said_in_words_at_any_width() {
    let (old, new) = (TestStore::sqlite().await, TestStore::sqlite().await);
    quote(&old.engine, "basket 9").await;
    lost(&old.engine, "7").await;
    for columns in ["80", "40"] {
        let mut moving = command(&["move", "--to", &new.url, "--dry-run"]);
        moving.env("IDEMPOTENT_STORE", &old.url).env("COLUMNS", columns);
        let ran = read(moving.output().await.expect("it starts"));
        let says = "1 would be copied, 0 were there already\n\
             left:         1  indeterminate   resolve them in the old store\n";
        assert_eq!((ran.stdout.as_str(), ran.code), (says, 8));
    }
}

/// Another pass would not help.
#[tokio::test]
async fn a_move_until_done_ends_once_all_that_is_left_needs_somebody() {
    let (old, new) = (TestStore::sqlite().await, TestStore::sqlite().await);
    for store in [&old, &new] {
        quote(&store.engine, "basket 9").await;
    }
    let moved = [&["move", "--to", &new.url, "--until-done"][..], &YES].concat();
    let (document, code) = timeout(LONG, one(&old.url, &moved)).await.expect("it ends");
    assert_eq!((code, &document["left"]["conflicts"]), (8, &json!(1)), "{document}");
}

/// It says after each pass how far it is.
#[tokio::test]
async fn a_move_until_done_prints_a_document_after_each_pass() {
    let (old, new) = (TestStore::sqlite().await, TestStore::sqlite().await);
    let running = begin(&old.engine, "10").await;
    let mut moving = command(&["--json", "move", "--to", &new.url, "--until-done"]);
    moving.args(YES).env("IDEMPOTENT_STORE", &old.url);
    let mut child = moving.spawn().expect("it starts");
    let stdout = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(stdout).lines();
    let first = timeout(LONG, lines.next_line()).await.expect("it says how far it is");
    let first = first.expect("it runs").expect("a document");
    assert!(first.contains("\"running\":1"), "{first}");
    running.complete(&Ok("receipt 10".to_owned())).await;
    let mut last = first;
    while let Some(line) = lines.next_line().await.expect("it runs") {
        last = line;
    }
    assert!(last.contains("\"copied\":1"), "{last}");
    assert_eq!(child.wait().await.expect("it ends").code(), Some(0));
}

/// A mover whose new store hangs in the middle of a page. There are so many records that it is not at their end when the
/// test gets to stop the store.
async fn hanging_mover(old: &TestStore, new: &Redis) -> Child {
    let mut filling = tokio::task::JoinSet::new();
    for worker in 0..8 {
        let engine = old.engine.clone();
        filling.spawn(async move {
            for number in 0..250 {
                quote(&engine, &format!("basket {worker} {number}")).await;
            }
        });
    }
    filling.join_all().await;
    let mut moving = command(&["--json", "--timeout", "60s", "move", "--to", &new.url()]);
    moving.args(YES).env("IDEMPOTENT_STORE", &old.url);
    let mut child = moving.spawn().expect("it starts");
    while new.cli(&["DBSIZE"]).await == Reply::Int(0) {
        assert_runs(&mut child);
        sleep(Duration::from_millis(5)).await;
    }
    new.stop_process();
    // It is at its next copy by then.
    sleep(Duration::from_millis(500)).await;
    child
}

fn press_ctrl_c(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
}

/// A copy that is dropped does not look whether its record was purged meanwhile.
#[tokio::test]
async fn ctrl_c_ends_a_move_once_the_copies_that_have_begun_are_done() {
    require!(Server::Redis);
    let (old, new) = (TestStore::sqlite().await, Redis::start().await);
    let mut child = hanging_mover(&old, &new).await;
    press_ctrl_c(&child);
    timeout(Duration::from_secs(1), child.wait()).await.expect_err("its copies are on their way");
    new.resume();
    let ran = timeout(LONG, child.wait_with_output()).await.expect("it ends").expect("it ran");
    let ran = read(ran);
    let report = &documents(&ran)[0];
    assert_eq!((ran.code, &report["complete"]), (130, &json!(false)), "{report}");
    assert_eq!(
        new.cli(&["DBSIZE"]).await,
        Reply::Int(report["copied"].as_i64().expect("a number"))
    );
}

#[tokio::test]
async fn a_second_ctrl_c_ends_a_move_at_once() {
    require!(Server::Redis);
    let (old, new) = (TestStore::sqlite().await, Redis::start().await);
    let mut child = hanging_mover(&old, &new).await;
    press_ctrl_c(&child);
    timeout(Duration::from_millis(300), child.wait()).await.expect_err("it waits for its copies");
    // The kernel keeps one signal of a kind for a process that has not seen it yet.
    let ended = async {
        loop {
            press_ctrl_c(&child);
            if let Ok(ended) = timeout(Duration::from_secs(1), child.wait()).await {
                break ended;
            }
        }
    };
    let ended = timeout(Duration::from_secs(30), ended).await.expect("it ends");
    assert_eq!(ended.expect("it ran").code(), Some(130));
    new.resume();
}

#[tokio::test]
async fn a_move_to_itself_or_to_nowhere_changes_nothing() {
    let old = TestStore::sqlite().await;
    quote(&old.engine, "basket 9").await;
    let to_itself = one(&old.url, &["move", "--to", &old.url, "--dry-run"]).await;
    assert_eq!((to_itself.1, &to_itself.0["code"]), (2, &json!("usage")));
    let mut nowhere = vec!["move", "--to", "redis://127.0.0.1:1"];
    nowhere.extend(YES);
    let (error, code) = one(&old.url, &nowhere).await;
    assert_eq!((code, &error["code"]), (5, &json!("unavailable")));
    let unasked = one(&old.url, &["move", "--to", "redis://127.0.0.1:1"]).await;
    assert_eq!((unasked.1, &unasked.0["code"]), (6, &json!("declined")));
    // A pass that only looks leaves what is there, so another one finds the same.
    let for_ever = ["move", "--to", "redis://127.0.0.1:1", "--until-done", "--dry-run"];
    let ran = run(&old.url, &for_ever).await;
    assert!(ran.code == 2 && ran.stderr.contains("--until-done"), "{}", ran.stderr);
    let option = ["move", "--to", &old.url, "--to-prefix", "x:", "--dry-run"];
    let (error, code) = one(&old.url, &option).await;
    let says = error["message"].as_str().expect("a message");
    assert!(code == 2 && says.starts_with("--to-prefix has no meaning"), "{says}");
}

#[tokio::test]
async fn the_new_stores_password_is_its_own() {
    require!(Server::Redis);
    let old = TestStore::sqlite().await;
    quote(&old.engine, "basket 9").await;
    let redis = Redis::builder().password("hunter2").start().await;
    let url = format!("redis://127.0.0.1:{}", redis.port());
    let moved = async |variable: &str| {
        let mut moving = command(&["--json", "move", "--to", &url, "--to-prefix", "new:"]);
        moving.args(YES).env("IDEMPOTENT_STORE", &old.url).env(variable, "hunter2");
        let ran = read(moving.output().await.expect("it starts"));
        documents(&ran);
        ran.code
    };
    assert_eq!(moved("IDEMPOTENT_PASSWORD").await, 5);
    assert_eq!(moved("IDEMPOTENT_TO_PASSWORD").await, 0);
    let store = idempotent_core::backends::RedisStore::builder(redis.url()).prefix("new:");
    let engine = Idempotency::new(store.connect().await.expect("it connects"));
    quote(&engine, "basket 9").await;
    let keys = redis.cli(&["KEYS", "new:*"]).await;
    assert!(format!("{keys:?}").contains("shop.quote"), "{keys:?}");
}
