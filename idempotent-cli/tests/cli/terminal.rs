//! On a terminal: questions, and colours. `script` of util-linux makes one.

use std::process::Stdio;
use std::time::Duration;

use idempotent_core::engine::Resolution;
use idempotent_core::store::State;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use crate::run::{Ran, command, read};
use crate::shop::{lost, seen};
use crate::stores::TestStore;

const BY: &str = "--operation shop.charge --scope acme --key order: --key 7";

/// The command on a terminal.
pub(crate) fn on_terminal(
    store: &TestStore,
    arguments: &str,
    variables: &[(&str, &str)],
) -> tokio::process::Command {
    let program = env!("CARGO_BIN_EXE_idempotent");
    // `command` clears the environment; its own program is replaced by one that makes a terminal.
    let mut script = tokio::process::Command::new("script");
    let environment = command(&[]);
    let environment = environment.as_std().get_envs();
    script.env_clear().envs(environment.filter_map(|(name, value)| Some((name, value?))));
    script.env("PATH", "/usr/bin:/bin").env("SHELL", "/bin/sh").env("TERM", "xterm");
    script.env("IDEMPOTENT_STORE", &store.url).envs(variables.iter().copied());
    script.args(["-qec", &format!("exec {program} {arguments}"), "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    script
}

/// Runs the command on a terminal, and types.
pub(crate) async fn typed(
    store: &TestStore,
    arguments: &str,
    typed: &str,
    variables: &[(&str, &str)],
) -> Ran {
    let mut script = on_terminal(store, arguments, variables);
    let mut child = script.spawn().expect("util-linux has `script`");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(typed.as_bytes()).await.expect("it is typed");
    // It asks for more than was typed, or never ends, if this takes longer.
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let ran = read(ended.expect("it asks for more than was typed").expect("it ends"));
    drop(stdin);
    ran
}

/// Runs the command on a terminal until it asks so, does something meanwhile, and then types. Gives its code, and all that
/// it showed.
pub(crate) async fn typed_after(
    (store, arguments): (&TestStore, &str),
    asks: &str,
    meanwhile: impl Future<Output = ()>,
    typed: &str,
) -> (Option<i32>, String) {
    let mut child = on_terminal(store, arguments, &[]).spawn().expect("util-linux has `script`");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut stdout = child.stdout.take().expect("a pipe");
    let (mut shown, mut some) = (String::new(), [0; 4096]);
    while !shown.contains(asks) {
        let count = stdout.read(&mut some).await.expect("it shows something");
        assert!(count > 0, "{shown}");
        shown.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    meanwhile.await;
    stdin.write_all(typed.as_bytes()).await.expect("it is typed");
    stdout.read_to_string(&mut shown).await.expect("it ends");
    (child.wait().await.expect("it ends").code(), shown)
}

#[tokio::test]
async fn a_change_asks_and_takes_only_yes_for_yes() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let resolve = format!("resolve {BY} --never-happened-and-owner-is-dead");
    let no = typed(&store, &resolve, "n\n", &[]).await;
    assert_eq!(no.code, 6, "{}", no.stdout);
    assert!(no.stdout.contains("never happened, its owner is dead"), "{}", no.stdout);
    assert!(no.stdout.contains("order:7"), "it shows what stands there: {}", no.stdout);
    let silent = typed(&store, &resolve, "\n", &[]).await;
    assert_eq!(silent.code, 6, "{}", silent.stdout);
    let without_reason = typed(&store, &resolve, "y\n\n", &[]).await;
    assert_eq!(without_reason.code, 6, "{}", without_reason.stdout);
    assert_eq!(seen(&store.engine, "7").await.map(|seen| seen.state()), Some(State::Indeterminate));

    let yes = typed(&store, &resolve, "y\nticket 42\n", &[]).await;
    assert_eq!(yes.code, 0, "{}", yes.stdout);
    assert!(seen(&store.engine, "7").await.is_none());
}

#[tokio::test]
async fn whoever_is_slower_to_agree_is_told_what_the_record_is_by_then() {
    let store = TestStore::sqlite().await;
    let lost = lost(&store.engine, "7").await;
    let mut script = on_terminal(&store, &format!("resolve {BY} --happened '\"receipt 8\"'"), &[]);
    let mut child = script.spawn().expect("util-linux has `script`");
    let mut shown = BufReader::new(child.stdout.take().expect("a pipe"));
    shown.read_until(b'?', &mut Vec::new()).await.expect("it asks");
    store.engine.resolve(&lost, Resolution::completed("receipt 7")).await.expect("it is resolved");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"y\nticket 42\n").await.expect("it is typed");
    let mut said = String::new();
    shown.read_to_string(&mut said).await.expect("it ends");
    assert!(said.contains("it is now completed, resolved by hand, with the token"), "{said}");
    assert_eq!(child.wait().await.expect("it ends").code(), Some(4));
    drop(stdin);
}

#[tokio::test]
async fn a_correction_shows_the_result_that_it_replaces_and_the_new_one() {
    let store = TestStore::sqlite().await;
    let lost = lost(&store.engine, "7").await;
    store.engine.resolve(&lost, Resolution::completed("receipt 8")).await.expect("it is resolved");
    let correct = format!("correct {BY} --happened '\"receipt 7\"'");
    let no = typed(&store, &correct, "n\n", &[]).await;
    assert_eq!(no.code, 6, "{}", no.stdout);
    let at = |text: &str| no.stdout.find(text).unwrap_or_else(|| panic!("{text}: {}", no.stdout));
    assert!(at("\"receipt 8\"") < at("new result"), "{}", no.stdout);
    assert!(at("new result") < at("\"receipt 7\""), "{}", no.stdout);
    assert!(at("\"receipt 7\"") < at("Replace what"), "{}", no.stdout);
    let dry = typed(&store, &format!("{correct} --dry-run"), "", &[]).await;
    assert!(dry.stdout.contains("\"receipt 8\"") && dry.stdout.contains("\"receipt 7\""));
    let flat = dry.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let says =
        "dry run: nothing was changed; it would ask: Replace what this call was resolved to?";
    assert!(flat.contains(says), "{}", dry.stdout);
}

#[tokio::test]
async fn a_list_into_a_file_counts_on_the_terminal() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let file = store.file("list.txt");
    let ran = typed(&store, &format!("list > {}", file.display()), "", &[]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "\r1 records listed \r\u{1b}[K"));
    let listed = std::fs::read_to_string(&file).expect("it is written");
    assert!(listed.contains("order:7") && !listed.contains("listed"), "{listed}");
}

#[tokio::test]
async fn a_list_into_a_pipe_counts_nowhere_since_its_reader_may_have_the_screen() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let ran = typed(&store, "list | cat", "", &[]).await;
    assert!(ran.stdout.contains("order:7") && !ran.stdout.contains("listed"), "{}", ran.stdout);
}

#[tokio::test]
async fn colours_are_for_terminals_alone_and_can_be_switched_off() {
    let store = TestStore::sqlite().await;
    lost(&store.engine, "7").await;
    let red = "\u{1b}[31mindeterminate";
    assert!(typed(&store, "list", "", &[]).await.stdout.contains(red));
    assert!(!typed(&store, "list", "", &[("NO_COLOR", "1")]).await.stdout.contains('\u{1b}'));
    assert!(!typed(&store, "--color never list", "", &[]).await.stdout.contains('\u{1b}'));
    let piped = crate::run::run(&store.url, &["list"]).await.stdout;
    assert!(!piped.contains('\u{1b}'));
    let forced = crate::run::run(&store.url, &["--color", "always", "list"]).await.stdout;
    assert!(forced.contains(red));
}
