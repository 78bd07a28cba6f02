#!/usr/bin/env bash
# Rust package sqlx 0.9.0 with SQLite (libsqlite3-sys, built in).
#
# Guess: a nested begin() whose future is dropped before it is done (by a timeout or a select) undoes its own
# savepoint at most; the outer transaction and what it has written stay as they were.
#
# Seen: the outer transaction is rolled back, at once and without an error. The worker undoes the savepoint that
# nobody took over, and then the dropped future's own rollback, meant for the same savepoint, reaches the
# outer transaction. The outer handle goes on as if it were open: its next statement commits by itself, and both its
# commit() and its rollback() answer Ok, with the first row lost and the second one kept in either case.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "nested"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "sqlite-bundled"] }
tokio = { version = "=1.54.1", features = ["macros", "rt-multi-thread"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Acquire, ConnectOptions, query, query_scalar};
use std::future::poll_fn;
use std::task::Poll;

/// Answers the rows that are there at the end, and how the end went.
async fn run(file: String, drop_begin: bool, commit: bool) -> sqlx::Result<(Vec<String>, bool)> {
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = options.connect().await?;
    query("CREATE TABLE notes (text)").execute(&mut connection).await?;
    let mut outer = connection.begin().await?;
    query("INSERT INTO notes VALUES ('before')").execute(&mut *outer).await?;
    if drop_begin {
        // Polled once, then dropped: what a timeout does to it. (Again, should one poll have been enough.)
        loop {
            let mut nested = outer.begin();
            let pending = poll_fn(|context| Poll::Ready(nested.as_mut().poll(context).is_pending()));
            if pending.await { break; }
        }
    } else {
        drop(outer.begin().await?); // begun in full, then dropped: the usual way to undo a savepoint
    }
    query("INSERT INTO notes VALUES ('after')").execute(&mut *outer).await?;
    let end = if commit { outer.commit().await } else { outer.rollback().await };
    let rows = query_scalar("SELECT text FROM notes ORDER BY rowid").fetch_all(&mut connection).await?;
    Ok((rows, end.is_ok()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap();
    let cases: [(bool, bool, &[&str]); 4] = [
        (false, true, &["before", "after"]),
        (false, false, &[]),
        (true, true, &["after"]),
        (true, false, &["after"]),
    ];
    let mut same = true;
    for (number, (drop_begin, commit, expected)) in cases.into_iter().enumerate() {
        let (rows, ok) = run(format!("{folder}/{number}.db"), drop_begin, commit).await?;
        let begin = if drop_begin { "dropped begin()" } else { "dropped savepoint" };
        let end = if commit { "commit()" } else { "rollback()" };
        println!("{begin}, then {end}: Ok: {ok}, rows: {rows:?}");
        same &= ok && rows == expected;
    }
    if !same { return Err("this is not what was seen before".into()); }
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 \
  nice cargo run --quiet --manifest-path "$folder/Cargo.toml" -- "$folder"
