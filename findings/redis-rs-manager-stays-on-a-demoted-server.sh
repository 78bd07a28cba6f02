#!/usr/bin/env bash
# Rust package redis 1.8.1 (redis-rs, with its ConnectionManager), Redis server 7.0.15.
#
# Guess: after a failover, ConnectionManager finds the new primary by connecting again to the address it was
# given, whether the old primary closed its connections or became a replica and answers READONLY to writes.
#
# Seen: it connects again only when the connection is lost. While a demoted server keeps the connection open,
# every write goes to it and gets READONLY, although the address already leads to the new primary and a new
# manager writes there at once. No write of the 5 seconds tried made it connect again, and there is nothing
# that would later. Once the connection is cut, the old manager moves over too.
set -euo pipefail

folder="$(mktemp -d)"
servers=()
clean_up() {
  kill "${servers[@]}" || true
  wait "${servers[@]}" || true
  rm -rf "$folder"
}
trap clean_up EXIT

two_ports='import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))'
read -r -a ports < <(python3 -c "$two_ports")
for port in "${ports[@]}"; do
  redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" >"$folder/$port.log" &
  servers+=("$!")
done
redis-server --version

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "demoted"
version = "0.0.0"
edition = "2024"
[dependencies]
redis = { version = "=1.8.1", default-features = false, features = ["tokio-comp", "connection-manager"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "net", "rt-multi-thread", "time"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use redis::{Client, aio::ConnectionManager, cmd};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::{io::copy_bidirectional, net::{TcpListener, TcpStream}, time::{sleep, timeout}};

const PAUSE: Duration = Duration::from_millis(100);
static LEADS_TO: AtomicU16 = AtomicU16::new(0); // the port that the address leads new connections to
static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

async fn write(manager: &mut ConnectionManager) -> String {
    let result = cmd("SET").arg("key").arg("value").query_async::<()>(manager).await;
    result.map_or_else(|error| error.code().unwrap_or("lost").into(), |()| "OK".into())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: Vec<u16> = std::env::args().skip(1).map(|port| port.parse().unwrap()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = Client::open(format!("redis://{}/", listener.local_addr()?))?;
    LEADS_TO.store(port[0], SeqCst);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            CONNECTIONS.fetch_add(1, SeqCst);
            let mut server = TcpStream::connect(("127.0.0.1", LEADS_TO.load(SeqCst))).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    let mut manager = address.get_connection_manager().await?;
    let before = write(&mut manager).await;
    println!("before: {before}, connections made: {}", CONNECTIONS.load(SeqCst));

    let old_server = Client::open(format!("redis://127.0.0.1:{}/", port[0]))?;
    let mut admin = old_server.get_multiplexed_async_connection().await?;
    cmd("REPLICAOF").arg("127.0.0.1").arg(port[1]).query_async::<()>(&mut admin).await?;
    LEADS_TO.store(port[1], SeqCst);
    let mut refused = 0;
    for _ in 0..50 {
        refused += usize::from(write(&mut manager).await == "READONLY");
        sleep(PAUSE).await;
    }
    let connections = CONNECTIONS.load(SeqCst);
    println!("demoted: READONLY in {refused} of 50 writes in 5 s, connections made: {connections}");
    let fresh = write(&mut address.get_connection_manager().await?).await;
    println!("a new manager on the same address: {fresh}");

    cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").query_async::<()>(&mut admin).await?;
    let until_ok = async { while write(&mut manager).await != "OK" { sleep(PAUSE).await } };
    let after = timeout(PAUSE * 100, until_ok).await.map_or("not OK", |()| "OK");
    println!("the old manager, once its connection was cut: {after}");
    let same = [before.as_str(), &fresh, after] == ["OK"; 3] && (refused, connections) == (50, 1);
    if same { Ok(()) } else { Err("this is not what was seen before".into()) }
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 \
  nice cargo run --quiet --manifest-path "$folder/Cargo.toml" -- "${ports[@]}"
