#!/usr/bin/env bash
# Rust package redis 1.8.1.
#
# Guess: the cause of an error is found as with every other library: walk source() and try
# downcast_ref::<std::io::Error>(). A refused connection then shows its ErrorKind.
#
# Seen: source() leads to an object that prints like the io::Error and is none, nor an Arc of one, and that has no
# source itself. So the downcast finds nothing at any depth, while a printed chain looks as if it were there; only
# methods of the error itself, such as is_connection_refusal(), tell. Code that decides by the kind of the cause takes
# its other branch.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "cause"
version = "0.0.0"
edition = "2024"
[dependencies]
redis = { version = "=1.8.1", default-features = false }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    // A port on which nobody listens any more.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    let Err(error) = client.get_connection() else { return Err("somebody listens".into()) };
    let (mut plain, mut shared, mut depth) = (false, false, 0);
    let mut cause = error.source();
    while let Some(at) = cause {
        depth += 1;
        println!("source {depth}: {at}");
        plain |= at.downcast_ref::<io::Error>().is_some();
        shared |= at.downcast_ref::<Arc<io::Error>>().is_some();
        cause = at.source();
    }
    println!("sources: {depth}; an io::Error: {plain}; an Arc of one: {shared}; asked itself: {:?}", error.is_connection_refusal());
    if (plain, shared, depth) != (false, false, 1) || !error.is_connection_refusal() {
        return Err("this is not what was seen before".into());
    }
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet --manifest-path "$folder/Cargo.toml"
