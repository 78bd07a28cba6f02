#!/usr/bin/env bash
# Rust package sqlx 0.9.0 with PostgreSQL 15 (Debian, 15.18).
#
# Guess: with statement_cache_capacity(0) nothing is prepared under a name, so a connection can go through a pooler
# that knows no prepared statements, and the server keeps nothing of them.
#
# Seen: every query that has arguments and is not marked persistent(false) is still prepared under a name of its own
# (sqlx_s_1, sqlx_s_2, …), the same text each time anew, and none is ever closed: after 100 executions of one text
# the server's session has about 100 prepared statements. Only persistent(false) on each query leaves the statement
# without a name. With a cache of the default size there is one for the text.
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
name = "prepared"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "=1.54.1", features = ["macros", "rt-multi-thread"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, query, query_scalar};

/// How many statements the session has after 100 executions of one text.
async fn left(options: PgConnectOptions, persistent: bool) -> sqlx::Result<i64> {
    let mut connection = options.connect().await?;
    for number in 0..100 {
        query("SELECT $1::int + 1").bind(number).persistent(persistent).execute(&mut connection).await?;
    }
    let count = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%+ 1'";
    query_scalar(count).persistent(false).fetch_one(&mut connection).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options: PgConnectOptions = std::env::args().nth(1).unwrap().parse()?;
    let cached = left(options.clone(), true).await?;
    let without_cache = left(options.clone().statement_cache_capacity(0), true).await?;
    let not_persistent = left(options.statement_cache_capacity(0), false).await?;
    println!("named statements after 100 executions of one text");
    println!("  the default cache: {cached}");
    println!("  statement_cache_capacity(0): {without_cache}");
    println!("  statement_cache_capacity(0) and persistent(false): {not_persistent}");
    if (cached, without_cache, not_persistent) != (1, 100, 0) {
        return Err("this is not what was seen before".into());
    }
    Ok(())
}
RUST
"$programs/postgres" --version
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet \
  --manifest-path "$folder/Cargo.toml" -- "postgres://tester@127.0.0.1:$port/postgres"
