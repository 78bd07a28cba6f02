#!/usr/bin/env bash
# Rust package sqlx 0.9.0 with PostgreSQL 15 (Debian, 15.18).
#
# Guess: when begin_with() fails, there is no transaction: what its text had begun is rolled back, and the
# connection that goes back to the pool is as good as any other.
#
# Seen: when the text fails after its BEGIN (here "BEGIN; LOCK TABLE …" of a table that is not there), the
# connection goes back to the pool inside the aborted transaction. The pool's check before the next use
# does not notice: the next user gets 25P02 ("current transaction is aborted"), and so does everyone after,
# begin() included, until somebody sends a ROLLBACK of their own.
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
name = "aborted"
version = "0.0.0"
edition = "2024"
[dependencies]
sqlx = { version = "=0.9.0", default-features = false, features = ["runtime-tokio", "postgres"] }
tokio = { version = "=1.54.1", features = ["macros", "rt-multi-thread"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use sqlx::postgres::PgPoolOptions;
use sqlx::query;

fn code<T>(result: sqlx::Result<T>) -> String {
    match result {
        Ok(_) => "OK".into(),
        Err(error) => error.as_database_error().and_then(|e| e.code()).expect("a code").into_owned(),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap();
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(true).connect(&url).await?;
    let before = code(query("SELECT 1").execute(&pool).await);
    println!("a statement before: {before}");
    let begin = code(pool.begin_with("BEGIN; LOCK TABLE not_there IN EXCLUSIVE MODE").await);
    println!("begin_with(): {begin}");
    let next = code(query("SELECT 1").execute(&pool).await);
    let later = code(pool.begin().await);
    println!("the next user of the pool: {next}, a begin() after it: {later}");
    let rollback = code(query("ROLLBACK").execute(&pool).await);
    let after = code(query("SELECT 1").execute(&pool).await);
    println!("an explicit ROLLBACK: {rollback}, a statement after it: {after}");
    let seen = [before, begin, next, later, rollback, after];
    if seen != ["OK", "42P01", "25P02", "25P02", "OK", "OK"] {
        return Err("this is not what was seen before".into());
    }
    Ok(())
}
RUST
"$programs/postgres" --version
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo run --quiet \
  --manifest-path "$folder/Cargo.toml" -- "postgres://tester@127.0.0.1:$port/postgres"
