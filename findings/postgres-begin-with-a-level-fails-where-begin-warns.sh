#!/usr/bin/env bash
# PostgreSQL 15 (Debian, 15.18), through its own psql.
#
# Guess: BEGIN inside an open transaction does no harm, whatever is written after it: it warns that there is
# already a transaction, changes nothing, and the transaction goes on.
#
# Seen: that is so for a plain BEGIN, and for BEGIN ISOLATION LEVEL with the level that the transaction
# already has. With another level, the same BEGIN changes the level of the open transaction as long as no query
# has run in it; after the first query it fails with 25001 and leaves the transaction aborted, so that every
# later statement gets 25P02 and what was written is lost.
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
as_user=()
if [ "$(id -u)" = 0 ]; then
  as_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres: "$folder"
fi
cd "$folder"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"${as_user[@]}" "$programs/initdb" -D "$folder/data" -U tester -A trust --no-sync >"$folder/initdb.log"
"${as_user[@]}" "$programs/postgres" -D "$folder/data" -h 127.0.0.1 -p "$port" -k '' -F 2>"$folder/server.log" &
server=$!
for _ in $(seq 300); do
  "$programs/pg_isready" -q -h 127.0.0.1 -p "$port" && break
  sleep 0.1
done

# Prints the SQLSTATE of the second BEGIN, the level then, and the SQLSTATE of the statement after it.
second_begin() { # the first query, the second BEGIN
  "$programs/psql" -X -q -A -t -h 127.0.0.1 -p "$port" -U tester postgres 2>>"$folder/messages" <<SQL
BEGIN;
$1
$2;
\echo :SQLSTATE
SHOW transaction_isolation;
\echo :SQLSTATE
SQL
}

"$programs/postgres" --version
failed=0
check() { # name, what was seen before, what is seen now
  echo "$1: $(echo "$3" | paste -s -d ' ')"
  [ "$2" = "$(echo "$3" | paste -s -d ' ')" ] || failed=1
}
query='CREATE TABLE IF NOT EXISTS notes (text text); SELECT FROM notes LIMIT 0;'
check "plain BEGIN after a query" "00000 read committed 00000" "$(second_begin "$query" "BEGIN")"
check "BEGIN with the same level after a query" "00000 read committed 00000" \
  "$(second_begin "$query" "BEGIN ISOLATION LEVEL READ COMMITTED")"
check "BEGIN with another level before any query" "00000 serializable 00000" \
  "$(second_begin "" "BEGIN ISOLATION LEVEL SERIALIZABLE")"
check "BEGIN with another level after a query" "25001 25P02" \
  "$(second_begin "$query" "BEGIN ISOLATION LEVEL SERIALIZABLE")"
sort "$folder/messages" | uniq -c
if [ "$failed" != 0 ]; then
  echo "this is not what was seen before"
  exit 1
fi
