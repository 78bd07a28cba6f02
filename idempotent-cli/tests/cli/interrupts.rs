//! Ctrl-C in the middle of a scan.

use std::time::Duration;

use idempotent_servers::{Server, TcpProxy, require};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::run::{Ran, command, documents, read};
use crate::shop::quotes;
use crate::stores::{TestServer, TestStore};
use crate::terminal::on_terminal;

const RECORDS: u64 = 1_000;

async fn slowly(store: &TestStore) -> TcpProxy {
    let TestServer::Redis(redis) = &store.server else { panic!("it is Redis") };
    let proxy = TcpProxy::start(redis.address()).await;
    proxy.delay_replies(Duration::from_millis(50));
    proxy
}

/// Runs a command that reads some pages, slowly, and presses Ctrl-C while it reads one after the first.
async fn interrupted(store: &TestStore, arguments: &[&str]) -> Ran {
    let proxy = slowly(store).await;
    let mut command = command(arguments);
    command.env("IDEMPOTENT_STORE", proxy.redis_url());
    let child = command.spawn().expect("it starts");
    proxy.wait_for(|counts| counts.commands_of("SCAN") >= 4).await;
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    read(child.wait_with_output().await.expect("it ends"))
}

#[tokio::test]
async fn ctrl_c_while_records_are_counted_says_what_was_counted_and_that_it_is_not_all() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    quotes(&store.engine, RECORDS).await;
    let (machine, person) =
        tokio::join!(interrupted(&store, &["--json", "stats"]), interrupted(&store, &["stats"]),);
    assert_eq!(machine.code, 130, "{}", machine.stderr);
    let said = documents(&machine);
    assert_eq!((said.len(), &said[0]["complete"]), (2, &json!(false)), "{said:#?}");
    let counted = said[0]["records"].as_u64().expect("a number");
    assert!((1..RECORDS).contains(&counted), "{counted}");
    assert_eq!((&said[1]["code"], &said[1]["exit"]), (&json!("interrupted"), &json!(130)));

    assert_eq!(person.code, 130, "{}", person.stderr);
    assert!(person.stdout.contains("shop.quote"), "{}", person.stdout);
    assert!(person.stderr.contains("interrupted"), "{}", person.stderr);
}

#[tokio::test]
async fn a_search_by_the_first_digits_of_an_id_says_that_it_goes_on_and_ends_at_ctrl_c() {
    require!(Server::Redis);
    let store = TestStore::redis().await;
    quotes(&store.engine, 30).await;
    let proxy = slowly(&store).await;
    let url = proxy.redis_url();
    let show = |text: &'static str| {
        let mut script = on_terminal(&store, text, &[("IDEMPOTENT_STORE", &url)]);
        script.spawn().expect("util-linux has `script`")
    };
    let ran = read(show("show 00000000").wait_with_output().await.expect("it ends"));
    assert_eq!(ran.code, 3, "{}", ran.stdout);
    // However long it took, it says so, and wipes it in the end.
    let says = "\rlooking for the id that begins with 00000000: ";
    let (_, last) = ran.stdout.rsplit_once(says).unwrap_or_else(|| panic!("{:?}", ran.stdout));
    let wiped = last.split_once("s \r\u{1b}[K").map(|(seconds, _)| seconds.parse::<u64>());
    assert!(matches!(wiped, Some(Ok(_))), "{:?}", ran.stdout);

    let seen = proxy.counts().commands_of("SCAN");
    // So that it still waits for this one.
    proxy.drop_next_reply_to("SCAN");
    let mut child = show("show 00000001");
    let mut keyboard = child.stdin.take().expect("a pipe");
    proxy.wait_for(|counts| counts.commands_of("SCAN") > seen).await;
    keyboard.write_all(b"\x03").await.expect("it is typed");
    let ran = read(child.wait_with_output().await.expect("it ends"));
    assert!(ran.code == 130 && ran.stdout.contains("interrupted"), "{ran:?}");
    drop(keyboard);
}
