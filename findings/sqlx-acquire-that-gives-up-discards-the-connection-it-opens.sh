#!/usr/bin/env bash
# Rust package sqlx 0.9.0 with PostgreSQL 15 (Debian, 15.18).
#
# Guess: a caller that gives up waiting for a connection (tokio's timeout around acquire()) costs nobody else
# anything: what it made the pool begin to open is opened all the same, and the next caller gets it.
#
# Seen: the connection belongs to the caller that happened to start it. When that one gives up, it is thrown
# away, whatever the server has already done for it, and the next caller begins a new one. Where opening takes
# longer than callers wait (here the server answers after 0.2 s, and callers wait 0.15 s), the pool stays empty
# however long and however many keep asking; one caller that does not give up fills it.
set -euo pipefail

programs=/usr/lib/postgresql/15/bin
folder="$(mktemp -d)"
server=""
clean_up() {
  if [ -n "$server" ]; then
    kill -INT "$server" || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap clean_up EXIT

# PostgreSQL does not run as root: root becomes the user that Debian's package made.
mkdir -p "$folder/src" "$folder/postgres"
as_user=()
if [ "$(id -u)" = 0 ]; then
  as_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chmod 755 "$folder"
  chown postgres: "$folder/postgres"
fi
cd "$folder/postgres"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"${as_user[@]}" "$programs/initdb" -D "$PWD/data" -U tester -A trust --no-sync >"$folder/initdb.log"
"${as_user[@]}" "$programs/postgres" -D "$PWD/data" -h 127.0.0.1 -p "$port" -k '' -F 2>"$folder/server.log" &
server=$!
for _ in $(seq 300); do
  "$programs/pg_isready" -q -h 127.0.0.1 -p "$port" && break
  sleep 0.1
done

cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "impatient"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "=1.54.1", features = ["io-util", "macros", "net", "rt-multi-thread", "time"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// Passes everything on, the server's answers late.
async fn slow(listener: TcpListener, server: u16) -> std::io::Result<()> {
    loop {
        let (client, _) = listener.accept().await?;
        let server = TcpStream::connect(("127.0.0.1", server)).await?;
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        tokio::spawn(async move {
            let mut buffer = vec![0; 65536];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                sleep(Duration::from_millis(200)).await;
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1).unwrap().parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(slow(listener, server));
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("tester");
    let options = options.database("postgres");
    let pool = PgPoolOptions::new().max_connections(4).test_before_acquire(false);
    let pool = pool.connect_lazy_with(options);
    let patience = Duration::from_millis(150);
    let (mut served, mut asked) = (0, 0);
    for _ in 0..10 {
        let callers: Vec<_> = (0..4)
            .map(|_| pool.clone())
            .map(|pool| tokio::spawn(async move { timeout(patience, pool.acquire()).await.is_ok() }))
            .collect();
        for caller in callers {
            asked += 1;
            served += u32::from(caller.await?);
        }
    }
    println!("impatient callers: {served} of {asked} got a connection; the pool has {}", pool.size());
    drop(pool.acquire().await?);
    sleep(Duration::from_millis(500)).await;
    let after = timeout(patience, pool.acquire()).await.is_ok();
    println!("after one patient caller: the pool has {}, an impatient one gets it: {after}", pool.size());
    if (served, after, pool.size()) != (0, true, 1) {
        return Err("this is not what was seen before".into());
    }
    Ok(())
}
RUST
"$programs/postgres" --version
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet \
  --manifest-path "$folder/Cargo.toml" -- "$port"
