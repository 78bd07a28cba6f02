#!/usr/bin/env bash
# PostgreSQL 15 (Debian, 15.18), with its extension pg_walinspect.
#
# Guess: a row-level BEFORE UPDATE trigger whose WHEN is false, or that is for other columns (UPDATE OF), costs a
# comparison and nothing else, since its function is not called.
#
# Seen: with any such trigger on the table the server locks the row before it looks at columns and conditions, to
# have its newest version, and writes that to the log: each UPDATE logs a Heap LOCK record beside its own. An
# AFTER trigger whose WHEN is false costs none.
set -euo pipefail

programs=/usr/lib/postgresql/15/bin
[[ -x "$programs/postgres" ]] || apt-get install -y --no-install-recommends "postgresql-15=15.18-*"
version="$("$programs/postgres" --version)"
if [[ "$version" != "postgres (PostgreSQL) 15.18 "* ]]; then
  echo "this is about version 15.18, and not $version" >&2
  exit 1
fi
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
sql() { "$programs/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U tester postgres -c "$1"; }

sql "CREATE EXTENSION pg_walinspect"
sql "CREATE FUNCTION called() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''called''; END'"

# The LOCK records that a hundred updates of one row log, where the table has this trigger.
locks_of() {
  sql "DROP TABLE IF EXISTS items"
  sql "CREATE TABLE items (id int PRIMARY KEY, amount int, note text)"
  sql "INSERT INTO items VALUES (1, 1, NULL)"
  if [ -n "$1" ]; then sql "CREATE TRIGGER condition $1 EXECUTE FUNCTION called()"; fi
  local start update
  start="$(sql "SELECT pg_current_wal_insert_lsn()")"
  for update in $(seq 100); do sql "UPDATE items SET amount = $update WHERE id = 1"; done
  sql "SELECT count(*) FROM pg_get_wal_records_info('$start', pg_current_wal_flush_lsn())
       WHERE resource_manager = 'Heap' AND record_type LIKE 'LOCK%'
           AND block_ref LIKE '%/' || pg_relation_filenode('items') || ' %'"
}

none="$(locks_of "")"
before="$(locks_of "BEFORE UPDATE OF amount ON items FOR EACH ROW WHEN (OLD.note IS NOT NULL)")"
other="$(locks_of "BEFORE UPDATE OF note ON items FOR EACH ROW WHEN (OLD.note IS NOT NULL)")"
after="$(locks_of "AFTER UPDATE OF amount ON items FOR EACH ROW WHEN (OLD.note IS NOT NULL)")"
echo "$version"
echo "LOCK records of 100 updates: no trigger $none, BEFORE $before, BEFORE of another column $other, AFTER $after"
if [ "$none $before $other $after" != "0 100 100 0" ]; then
  echo "this is not what was seen before" >&2
  exit 1
fi
