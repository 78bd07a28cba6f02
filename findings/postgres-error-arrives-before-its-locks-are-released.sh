#!/usr/bin/env bash
# PostgreSQL 15 (Debian, 15.18), asked by the Rust package sqlx 0.9.0.
#
# Guess: once a statement outside of a transaction has failed, it is over: whoever has read the error may try again on
# another connection, and finds free what the failed statement had locked.
#
# Seen: the server sends the error first and rolls back afterwards, and sqlx hands the error out as soon as it is there.
# Another connection that asks at once finds the lock of the failed statement still held, the more often the more there is
# to undo. SKIP LOCKED, NOWAIT and pg_try_advisory_lock then answer as if somebody else were at work. What is awaited on the
# failed connection next (a ROLLBACK or an empty statement) is answered only after the locks are gone.
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
name = "released"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "=1.54.1", features = ["macros", "rt-multi-thread"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::{Connection, PgConnection, query, query_scalar};

/// A statement that takes a lock, makes tables, and fails.
const FAILS: &str = "DO $$ BEGIN
    PERFORM pg_advisory_xact_lock(1);
    FOR i IN 1..50 LOOP EXECUTE format('CREATE TABLE t%s ()', i); END LOOP;
    RAISE 'no';
END $$";

/// How often, of 100 times, another connection finds the lock held right after the error.
async fn held(url: &str, then_ask: bool) -> sqlx::Result<u32> {
    let (mut one, mut other) = (PgConnection::connect(url).await?, PgConnection::connect(url).await?);
    let mut held = 0;
    for _ in 0..100 {
        query(FAILS).execute(&mut one).await.expect_err("it raises");
        if then_ask {
            query("").execute(&mut one).await?;
        }
        let free: bool = query_scalar("SELECT pg_try_advisory_xact_lock(1)").fetch_one(&mut other).await?;
        held += u32::from(!free);
        query("SELECT pg_advisory_xact_lock(1)").execute(&mut other).await?;
    }
    Ok(held)
}

#[tokio::main]
async fn main() -> sqlx::Result<()> {
    let url = std::env::args().nth(1).expect("a URL");
    let (at_once, later) = (held(&url, false).await?, held(&url, true).await?);
    eprintln!("of 100 times the lock was still held: {at_once} right after the error, {later} after an empty statement");
    println!("held right after the error: {}; after an empty statement: {}", at_once > 0, later > 0);
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo build --quiet --manifest-path "$folder/Cargo.toml"
"$folder/target/debug/released" "postgres://tester@127.0.0.1:$port/postgres" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
held right after the error: true; after an empty statement: false
SEEN
