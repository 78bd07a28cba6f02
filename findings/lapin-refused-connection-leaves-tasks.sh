#!/usr/bin/env bash
# Rust package lapin 4.12.3 on tokio 1.54.1. No broker is needed.
#
# Guess: Connection::connect that returns an error has cleaned up after itself, as one does whose server is away for an hour
# and that connects anew every few seconds.
#
# Seen: each attempt that is refused leaves two tasks on the runtime, and so does each that is reset before it is open. They
# never end. One of them takes the connection's commands and holds a sender of its own channel, so it waits for
# ever; the thread that would tell it to stop returns early. An attempt whose peer closes in an orderly way leaves none,
# and neither does a connection that was open. Whoever spawns on a runtime of his own (Connection::connect_uri_with_config)
# can end them.
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
lapin = { version = "=4.12.3", default-features = false, features = ["tokio"] }
tokio = { version = "=1.54.1", features = ["macros", "net", "rt-multi-thread", "time"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

const ATTEMPTS: usize = 10;

/// How many tasks are left of some attempts that fail, two seconds later.
async fn left(address: SocketAddr) -> usize {
    let before = Handle::current().metrics().num_alive_tasks();
    for _ in 0..ATTEMPTS {
        let url = format!("amqp://guest:guest@{address}/%2f");
        let error = Connection::connect(&url, ConnectionProperties::default()).await.err();
        assert!(error.is_some(), "it has connected");
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    Handle::current().metrics().num_alive_tasks().saturating_sub(before)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let refusing = TcpListener::bind("127.0.0.1:0").await?;
    let address = refusing.local_addr()?;
    drop(refusing);
    let refused = left(address).await;
    let mut after = [0; 2];
    for (after, resets) in after.iter_mut().zip([true, false]) {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let answering = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                if resets {
                    connection.set_zero_linger().expect("it can be set");
                } else {
                    let mut header = [0; 8];
                    let _ = connection.readable().await;
                    let _ = connection.try_read(&mut header);
                }
            }
        });
        *after = left(address).await;
        answering.abort();
        let _ = answering.await;
    }
    let [reset, closed] = after;
    println!("tasks left of {ATTEMPTS} attempts: refused {refused}, reset {reset}, closed in an orderly way {closed}");
    if refused == 0 || reset == 0 || closed > 0 {
        return Err("seen otherwise".into());
    }
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet --manifest-path "$folder/Cargo.toml"
