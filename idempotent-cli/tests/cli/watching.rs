//! `watch`: look by look, on a terminal, in a pipe and as documents.

use idempotent_servers::{Server, require};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::run::{command, json as all, read, run};
use crate::shop::{begin, fill, lost};
use crate::stores::{TestStore, on_every_store};
use crate::terminal::{on_terminal, typed};

async fn what_has_not_ended_is_counted_and_the_oldest_come_first(store: TestStore) {
    let _running = fill(&store.engine).await;
    let (looks, code) = all(&store.url, &["watch", "-n", "2", "--every", "50ms", "--fast"]).await;
    assert_eq!((looks.len(), code), (2, 0));
    for look in &looks {
        let states = &look["states"];
        assert_eq!((&states["reserved"], &states["indeterminate"]), (&json!(1), &json!(1)));
        assert_eq!(states.get("completed"), None);
        let oldest = look["oldest"].as_array().expect("a list");
        assert_eq!((oldest.len(), &oldest[0]["state"]), (2, &json!("indeterminate")), "{look}");
    }
    assert_eq!(looks[0]["began_per_second"], json!(null));
    assert_eq!(looks[1]["began_per_second"], json!(0.0));
    let (other, _) = all(&store.url, &["watch", "-n", "1", "--operation", "shop.quote"]).await;
    assert_eq!((&other[0]["states"]["reserved"], &other[0]["oldest"]), (&json!(0), &json!([])));
}

on_every_store! { what_has_not_ended_is_counted_and_the_oldest_come_first }

#[tokio::test]
async fn where_there_is_no_terminal_each_look_is_a_line() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let _running = begin(&store.engine, "10").await;
    let ran = run(&store.url, &["watch", "-n", "2", "--every", "50ms"]).await;
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!((lines.len(), ran.code), (2, 0), "{}", ran.stdout);
    for line in lines {
        assert!(line.contains("Z  running 1  suspended 0  lapsed 0  indeterminate 1"), "{line}");
    }
    assert!(!ran.stdout.contains('\u{1b}'));
}

/// The other screen, without a cursor; and back.
const OPEN: &str = "\u{1b}[?1049h\u{1b}[?25l";
const CLOSE: &str = "\u{1b}[?25h\u{1b}[?1049l";

#[tokio::test]
async fn on_a_terminal_the_screen_is_painted_anew_and_is_as_it_was_afterwards() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    for (columns, lines) in [("80", "24"), ("40", "16")] {
        let size = [("COLUMNS", columns), ("LINES", lines), ("NO_COLOR", "1")];
        let ran = typed(&store, "watch -n 2 --every 50ms", "", &size).await;
        assert_eq!(ran.code, 0, "{}", ran.stdout);
        assert!(ran.stdout.starts_with(OPEN) && ran.stdout.ends_with(CLOSE), "{:?}", ran.stdout);
        let frames: Vec<_> = ran.stdout.split("\u{1b}[H\u{1b}[J").skip(1).collect();
        assert_eq!(frames.len(), 2);
        let frame = frames[0].replace('\r', "");
        let width = columns.parse::<usize>().expect("a number");
        assert!(frame.lines().all(|line| line.chars().count() <= width), "{frame}");
        let height = lines.parse::<usize>().expect("a number");
        assert!(frame.lines().count() < height, "{frame}");
        assert!(frame.contains("indeterminate          1") && frame.contains("order:7"), "{frame}");
    }
}

#[tokio::test]
async fn ctrl_c_ends_it_with_the_terminal_as_it_was() {
    let store = TestStore::sqlite().await;
    let mut script = on_terminal(&store, "watch --every 50ms", &[("COLUMNS", "80")]);
    let mut child = script.spawn().expect("util-linux has `script`");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = child.stdout.take().expect("a pipe");
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("nothing is unfinished") {
        assert!(stdout.read_buf(&mut shown).await.expect("it runs") > 0, "it has ended by itself");
    }
    stdin.write_all(b"\x03").await.expect("it is typed");
    stdout.read_to_end(&mut shown).await.expect("it ends");
    let code = child.wait().await.expect("it ends").code();
    let shown = String::from_utf8_lossy(&shown);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.trim_end().ends_with(CLOSE), "{shown:?}");
    assert!(!shown.contains("interrupted"), "{shown}");
}

#[tokio::test]
async fn a_store_that_is_not_there_leaves_the_screen_alone() {
    let mut watch = command(&["watch", "-n", "1"]);
    watch.env("IDEMPOTENT_STORE", "redis://127.0.0.1:1");
    let ran = read(watch.output().await.expect("it starts"));
    assert!(ran.code == 5 && ran.stdout.is_empty(), "{}", ran.stdout);
}

#[tokio::test]
async fn a_store_that_goes_away_is_said_and_looked_at_again() {
    require!(Server::Redis);
    let redis = idempotent_servers::Redis::start().await;
    let mut watch = command(&["--json", "watch", "--every", "50ms"]);
    let mut child = watch.env("IDEMPOTENT_STORE", redis.url()).spawn().expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    stdout.next_line().await.expect("it runs").expect("a look");
    redis.kill();
    for _ in 0..2 {
        let said = stderr.next_line().await.expect("it runs").expect("it looks again");
        assert!(said.contains("\"unavailable\""), "{said}");
    }
    let pid = Pid::from_raw(i32::try_from(child.id().expect("it runs")).expect("a pid"));
    kill_process(pid.expect("a pid"), Signal::INT).expect("it runs");
    assert_eq!(child.wait().await.expect("it ends").code(), Some(0));
}
