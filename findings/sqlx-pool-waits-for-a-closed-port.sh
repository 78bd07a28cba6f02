#!/usr/bin/env bash
# Rust package sqlx 0.9.0 with a port that nobody listens on.
#
# Guess: PgPoolOptions::connect of a port that is closed fails at once with the refusal of the operating system, as
# PgConnection::connect does, so that a service with a wrong port in its settings says so and exits.
#
# Seen: the pool takes a refused connection for a server that starts, and tries again with growing pauses until the time is
# up in which a connection may be acquired, 30 seconds unless set. Then the error says that the pool timed out while it
# waited for an open connection: that nobody listens is in no part of it. A single connection fails within milliseconds and
# says so: whoever wants to tell the two apart makes one first.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "refused"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["postgres", "runtime-tokio"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::error::Error;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use sqlx::Connection;
use sqlx::postgres::{PgConnection, PgPoolOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");

    let start = Instant::now();
    let error = PgConnection::connect(&url).await.err().ok_or("somebody listens")?;
    println!("a connection: at once {}, says that it was refused {}",
        start.elapsed() < Duration::from_secs(2), error.to_string().contains("refused"));
    eprintln!("{error}");

    let limit = Duration::from_secs(6);
    let start = Instant::now();
    let pool = PgPoolOptions::new().acquire_timeout(limit).connect(&url).await;
    let error = pool.err().ok_or("somebody listens")?;
    println!("a pool: at once {}, after its whole time {}, says that it was refused {}",
        start.elapsed() < Duration::from_secs(2), start.elapsed() >= limit, error.to_string().contains("refused"));
    eprintln!("{error}");
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo build --quiet --manifest-path "$folder/Cargo.toml"
"$folder/target/debug/refused" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
a connection: at once true, says that it was refused true
a pool: at once false, after its whole time true, says that it was refused false
SEEN
