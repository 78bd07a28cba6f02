//! What it prints, line by line: at 80 and 40 columns, and where nobody looks at it on a screen. `UPDATE_GOLDEN=1`
//! writes the files anew.

use std::path::Path;

use crate::run::{command, read};
use crate::shop::{fill, in_doubt, parked, quote};
use crate::stores::TestStore;

/// Compares with a file.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).expect("it is written");
    }
    let expected = std::fs::read_to_string(&path).expect("there is a file");
    assert_eq!(text, expected, "{name}");
}

/// The text without what differs from run to run: seconds, moments, tokens.
fn timeless(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words = Vec::new();
        for word in line.split(' ') {
            let bare = word.trim_matches(['(', ')']);
            let seconds = bare.strip_suffix('s').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
            });
            let is_moment = bare.len() == 24 && bare.ends_with('Z');
            let is_token = line.starts_with("token") && bare.len() == 32;
            words.push(match bare {
                _ if seconds => word.replace(bare, &format!("{:>1$}", "0s", bare.len())),
                _ if is_moment => "2026-11-29T12:00:00.000Z".to_owned(),
                _ if is_token => "0".repeat(32),
                _ => word.to_owned(),
            });
        }
        lines.push(words.join(" "));
    }
    lines.join("\n") + "\n"
}

async fn printed(store: &TestStore, columns: Option<&str>, arguments: &[&str]) -> String {
    let mut command = command(arguments);
    // The same file and person on every machine.
    command.current_dir(store.folder.path()).env("IDEMPOTENT_STORE", "sqlite:calls.db");
    command.env("IDEMPOTENT_OPERATOR", "ada@example.com");
    if let Some(columns) = columns {
        command.env("COLUMNS", columns);
    }
    let ran = read(command.output().await.expect("it starts"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for line in ran.stdout.lines().filter(|_| columns.is_some()) {
        let width: usize = columns.and_then(|columns| columns.parse().ok()).expect("a number");
        // An id stays whole.
        let is_one_word = line.split(' ').filter(|word| !word.is_empty()).count() == 2;
        assert!(line.chars().count() <= width || is_one_word, "{line}");
    }
    timeless(&ran.stdout)
}

#[tokio::test]
async fn what_it_prints_is_what_the_files_say() {
    let store = TestStore::sqlite().await;
    let _running = fill(&store.engine).await;
    quote(&store.engine, "a basket whose name is longer than any column that it is in").await;
    for (columns, size) in [(Some("80"), "80"), (Some("40"), "40"), (None, "pipe")] {
        let list = printed(&store, columns, &["list"]).await;
        golden(&format!("list-{size}.txt"), &list);
        let show = ["show", "--operation", "shop.quote", "--key", "basket 9"];
        golden(&format!("show-{size}.txt"), &printed(&store, columns, &show).await);
        let by = ["--operation", "shop.charge", "--scope", "acme", "--key", "order:", "--key", "7"];
        let dry = [&["resolve"][..], &by, &["--happened", "\"receipt 7\"", "--dry-run"]].concat();
        golden(&format!("resolve-{size}.txt"), &printed(&store, columns, &dry).await);
        golden(&format!("stats-{size}.txt"), &printed(&store, columns, &["stats"]).await);
    }
}

#[tokio::test]
async fn a_call_with_a_step_in_doubt_is_printed_as_the_files_say() {
    let store = TestStore::sqlite().await;
    in_doubt(&store.engine).await;
    for (columns, size) in [(Some("80"), "80"), (Some("40"), "40"), (None, "pipe")] {
        let by = ["--operation", "shop.refund", "--key", "order 7"];
        let show = printed(&store, columns, &[&["show"], &by[..]].concat()).await;
        golden(&format!("show-in-doubt-{size}.txt"), &show);
        let step = ["resolve-step", "--step", "refund", "--happened", "7", "--dry-run"];
        let dry = printed(&store, columns, &[&step, &by[..]].concat()).await;
        golden(&format!("resolve-step-{size}.txt"), &dry);
    }
}

#[tokio::test]
async fn a_call_that_is_parked_is_printed_as_the_files_say() {
    let store = TestStore::sqlite().await;
    parked(&store.engine).await;
    let by = ["--operation", "shop.import", "--key", "7"];
    let show = printed(&store, Some("80"), &[&["show"], &by[..]].concat()).await;
    golden("show-parked-80.txt", &show);
    let dry = printed(&store, Some("80"), &[&["resume", "--dry-run"], &by[..]].concat()).await;
    golden("resume-80.txt", &dry);
}

#[tokio::test]
async fn help_fits_on_a_screen_and_completions_and_a_page_are_there() {
    let help = read(command(&["--help"]).env("COLUMNS", "80").output().await.expect("it starts"));
    golden("help.txt", &help.stdout);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = read(command(&["completions", shell]).output().await.expect("it starts"));
        assert!(script.code == 0 && script.stdout.contains("idempotent"), "{shell}");
    }
    let page = read(command(&["man"]).output().await.expect("it starts")).stdout;
    for part in [
        ".TH idempotent",
        "IDEMPOTENT RESOLVE",
        "IDEMPOTENT RESOLVE-STEP",
        "IDEMPOTENT CORRECT-STEP",
        "IDEMPOTENT RESUME",
        "IDEMPOTENT MOVE",
        "IDEMPOTENT WATCH",
        "IDEMPOTENT BENCH",
        "IDEMPOTENT_STORE",
        "Exit codes",
    ] {
        assert!(page.contains(part), "{part}");
    }
}
